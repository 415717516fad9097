package rotation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

const (
	idlePeriod          = 3 * time.Second
	goneFor             = 10 * time.Second // an usher that has not reported for this long has stopped
	lately              = time.Hour        // a server that asked for a key within this time may come back
	urgentReloadTimeout = 5 * time.Second  // longest wait for ushers when a key must be retired now
	usherTimeout        = 5 * time.Second  // longest wait for the first report of any usher
)

// WaitError reports that ushers or servers were not ready in time. Nothing is lost: the rotation
// can be resumed or rolled back.
type WaitError struct {
	For     string
	Missing []string
}

// Error implements error.
func (e *WaitError) Error() string {
	return "timed out waiting for " + e.For + ": " + strings.Join(e.Missing, "; ")
}

// idlePeriod returns how long a key must be unused.
func (r *Rotator) idlePeriod() time.Duration {
	if r.IdlePeriod > 0 {
		return r.IdlePeriod
	}
	return idlePeriod
}

// reloadTimeout returns how long ushers may take to load the keyring.
func (r *Rotator) reloadTimeout() time.Duration {
	if r.urgent {
		return min(r.ReloadTimeout, urgentReloadTimeout)
	}
	return r.ReloadTimeout
}

// until waits until check finds nothing missing, for at most wait. Else it returns a
// *WaitError. It checks at least once.
func (r *Rotator) until(ctx context.Context, wait time.Duration, what string, check func(context.Context) ([]string, error)) error {
	missing, err := r.poll(ctx, wait, check, func(missing []string) {
		r.report("waiting for %s: %s", what, strings.Join(missing, "; "))
	})
	if err == nil && len(missing) > 0 {
		return &WaitError{For: what, Missing: missing}
	}
	return err
}

// poll calls check until nothing is missing, for at most wait, and returns what is
// missing in the end. It calls waiting once, before it waits for the first time.
func (r *Rotator) poll(ctx context.Context, wait time.Duration, check func(context.Context) ([]string, error), waiting func(missing []string)) ([]string, error) {
	deadline := r.Now().Add(wait)
	for first := true; ; first = false {
		missing, err := check(ctx)
		if err != nil || len(missing) == 0 || !r.Now().Before(deadline) {
			return missing, err
		}
		if first {
			waiting(missing)
		}
		if err := r.sleepUntil(ctx, r.Now().Add(r.idlePeriod()/3)); err != nil {
			return missing, err
		}
	}
}

// reports asks the running ushers for their reports.
func (r *Rotator) reports(ctx context.Context) ([]keyusage.Report, error) {
	reports, err := r.Reports(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the running ushers: %w", err)
	}
	return reports, nil
}

// findUsher checks that at least one usher answers, before anything is changed.
// ErrNoUsher: none does.
func (r *Rotator) findUsher(ctx context.Context) error {
	if r.NoUsher {
		return nil
	}
	err := r.until(ctx, min(r.ReloadTimeout, usherTimeout), "a running usher", func(ctx context.Context) ([]string, error) {
		reports, err := r.reports(ctx)
		if err == nil && len(reports) == 0 {
			return []string{"none answers"}, nil
		}
		return nil, err
	})
	var timeout *WaitError
	if errors.As(err, &timeout) {
		return ErrNoUsher
	}
	return err
}

// waitForKey waits until every running usher has loaded a key, in a state if one is
// given. When a key must be retired now, an usher that is not ready is only named.
func (r *Rotator) waitForKey(ctx context.Context, public string, state issuer.KeyState) error {
	return r.waitForKeys(ctx, []string{public}, state)
}

func (r *Rotator) waitForKeys(ctx context.Context, public []string, state issuer.KeyState) error {
	if r.seen == nil {
		r.seen = map[string]sighting{}
	}
	what := "every usher to load the key"
	if state == issuer.StateActive {
		what = "every usher to use the key"
	}
	err := r.until(ctx, r.reloadTimeout(), what, func(ctx context.Context) ([]string, error) {
		reports, err := r.reports(ctx)
		if err != nil {
			return nil, err
		}
		return r.notReady(reports, public, state), nil
	})
	var timeout *WaitError
	if r.urgent && errors.As(err, &timeout) {
		r.report("note: %v", timeout)
		return nil
	}
	return err
}

// notReady lists the ushers that do not have all of these keys, in a state if one is
// given, and those that have stopped to report.
func (r *Rotator) notReady(reports []keyusage.Report, public []string, state issuer.KeyState) []string {
	now := r.Now()
	var missing []string
	for i := range reports {
		r.seen[reports[i].Instance] = sighting{reports[i].Name(), now}
		if text := missingKeys(&reports[i], public, state); text != "" {
			missing = append(missing, "usher "+reports[i].Name()+" "+text)
		}
	}
	for _, last := range r.seen {
		if !last.at.Equal(now) && now.Sub(last.at) < goneFor {
			missing = append(missing, "usher "+last.name+" does not answer")
		}
	}
	if len(reports) == 0 && len(missing) == 0 && !r.NoUsher {
		missing = append(missing, "no usher answers")
	}
	return missing
}

// missingKeys describes the keys that an usher does not have, in a state if one is
// given; empty: it has all of them.
func missingKeys(report *keyusage.Report, public []string, state issuer.KeyState) string {
	states := make(map[string]issuer.KeyState, len(report.Keys))
	for i := range report.Keys {
		states[report.Keys[i].PublicKey] = report.Keys[i].State
	}
	n, actual := 0, issuer.KeyState("")
	for _, key := range public {
		if s := states[key]; s == "" || state != "" && s != state {
			n, actual = n+1, s
		}
	}
	switch {
	case n == 0:
		return ""
	case len(public) > 1:
		return fmt.Sprintf("lacks %d of %d keys", n, len(public))
	case actual == "":
		return "does not have it"
	default:
		return "has it as " + string(actual)
	}
}

// unreachable lists the servers that do not answer: those that the other servers
// count, and those that have recently asked for a key. A server that comes back uses
// its old account JWT until its resolver has synchronised with the others.
func (r *Rotator) unreachable(ctx context.Context) ([]string, error) {
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.MissingServersError
	switch {
	case errors.As(err, &fewer) && fewer.Of-len(fewer.Have) > len(r.IgnoredServers):
		return []string{err.Error() + " (a crashed server is counted for some minutes)"}, nil
	case errors.As(err, &fewer):
		servers = fewer.Have
	case err != nil:
		return nil, err
	}
	reports, err := r.reports(ctx)
	if err != nil {
		return nil, err
	}
	var missing []string
	for name, ago := range r.recentServers(reports) {
		answers := slices.ContainsFunc(servers, func(s operator.Server) bool { return s.Name == name })
		if !answers && !slices.Contains(r.IgnoredServers, name) {
			missing = append(missing, fmt.Sprintf("server %s sent a request %s ago and does not answer now", name, ago.Round(time.Second)))
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// recentServers returns the servers that recently asked for any key, and how long ago.
func (r *Rotator) recentServers(reports []keyusage.Report) map[string]time.Duration {
	servers := map[string]time.Duration{}
	for i := range reports {
		for _, k := range reports[i].Keys {
			for _, s := range k.Servers {
				ago := r.Now().Sub(s.Last)
				if last, known := servers[s.Name]; ago < lately && (!known || ago < last) {
					servers[s.Name] = ago
				}
			}
		}
	}
	return servers
}

// servers returns the servers of operator mode. Those that do not answer are an error,
// unless a key must be retired now or IgnoredServers accounts for them.
func (r *Rotator) servers(ctx context.Context) ([]operator.Server, error) {
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.MissingServersError
	if errors.As(err, &fewer) && (r.urgent || fewer.Of-len(fewer.Have) <= len(r.IgnoredServers)) && len(fewer.Have) > 0 {
		r.report("note: %v", err)
		return fewer.Have, nil
	}
	return servers, err
}

// idle waits until nothing depends on a key and the key was unused for IdlePeriod. It
// returns the blockers that are left after Wait.
func (r *Rotator) idle(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	uses := useDetector{lastUse: r.Now(), reported: map[string]reportedUse{}}
	err := r.until(ctx, r.Wait+r.idlePeriod(), e.PublicKey+" to fall out of use", func(ctx context.Context) ([]string, error) {
		blockers, err := r.Blockers(ctx, s, e)
		if err != nil || len(blockers) > 0 {
			return blockers, err
		}
		reports, err := r.reports(ctx)
		if err != nil {
			return nil, err
		}
		uses.observe(e.PublicKey, reports, r.Now())
		if r.Now().Sub(uses.lastUse) < r.idlePeriod() {
			return []string{"it may have been used a moment ago"}, nil
		}
		return nil, nil
	})
	var timeout *WaitError
	if errors.As(err, &timeout) {
		return timeout.Missing, nil
	}
	return nil, err
}

// useDetector detects the use of a key from one set of reports to the next. It does
// not compare the clock of an usher with the local clock.
type useDetector struct {
	lastUse  time.Time              // local time; no use happened after it
	reported map[string]reportedUse // by usher instance
}

// reportedUse is what the last report of an usher said about the key. The time has
// whole seconds, so the count is needed to detect a second use in the same second.
type reportedUse struct {
	last     time.Time
	lastHour uint64
}

func (d *useDetector) observe(public string, reports []keyusage.Report, now time.Time) {
	for i := range reports {
		k := reports[i].Key(public)
		if k == nil || k.Last == nil {
			continue
		}
		is := reportedUse{last: *k.Last, lastHour: k.LastHour}
		was, known := d.reported[reports[i].Instance]
		if known && is != was {
			d.lastUse = now
		}
		d.reported[reports[i].Instance] = is
	}
}
