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
	quiet        = 3 * time.Second
	goneFor      = 10 * time.Second // an usher that has not reported for so long has ended
	lately       = time.Hour        // a server that asked for a key no longer ago may still be there
	urgentPickUp = 5 * time.Second  // longest wait for ushers when a key has to go
)

// WaitError says that what others have to do was not done in time. Nothing is lost:
// the rotation can be resumed, or rolled back.
type WaitError struct {
	For     string
	Missing []string
}

// Error implements error.
func (e *WaitError) Error() string {
	return "timed out waiting for " + e.For + ": " + strings.Join(e.Missing, "; ")
}

// quiet returns how long nobody may have asked for a key.
func (r *Rotator) quiet() time.Duration {
	if r.Quiet > 0 {
		return r.Quiet
	}
	return quiet
}

// pickUp returns how long ushers may take to go by what was written.
func (r *Rotator) pickUp() time.Duration {
	if r.urgent {
		return min(r.PickUp, urgentPickUp)
	}
	return r.PickUp
}

// until waits for at most wait until nothing is missing, and looks once at least.
func (r *Rotator) until(ctx context.Context, wait time.Duration, what string, check func(context.Context) ([]string, error)) error {
	deadline := r.Now().Add(wait)
	said := false
	for {
		missing, err := check(ctx)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return nil
		}
		if !r.Now().Before(deadline) {
			return &WaitError{For: what, Missing: missing}
		}
		if !said {
			r.say("waiting for %s: %s", what, strings.Join(missing, "; "))
			said = true
		}
		if err := r.pass(ctx, r.Now().Add(r.quiet()/3)); err != nil {
			return err
		}
	}
}

// held waits until every running usher has a key, in a state if one is given. When a
// key has to go, whoever does not answer is named, and not waited for.
func (r *Rotator) held(ctx context.Context, public string, state issuer.KeyState) error {
	return r.heldAll(ctx, []string{public}, state)
}

func (r *Rotator) heldAll(ctx context.Context, public []string, state issuer.KeyState) error {
	if r.seen == nil {
		r.seen = map[string]sighting{}
	}
	what := "every usher to pick the key up"
	if state == issuer.StateActive {
		what = "every usher to use the key"
	}
	err := r.until(ctx, r.pickUp(), what, func(ctx context.Context) ([]string, error) {
		reports, err := r.Reports(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		return r.without(reports, public, state), nil
	})
	var late *WaitError
	if r.urgent && errors.As(err, &late) {
		r.say("note: %v", late)
		return nil
	}
	return err
}

// without lists the ushers that do not have all of these keys, in a state if one is
// given, and those that have reported a moment ago and do not any more.
func (r *Rotator) without(reports []keyusage.Report, public []string, state issuer.KeyState) []string {
	now := r.Now()
	var missing []string
	for i := range reports {
		r.seen[reports[i].Instance] = sighting{reports[i].Name(), now}
		if text := lacks(&reports[i], public, state); text != "" {
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

// lacks says which of these keys an usher does not have, in a state if one is given;
// empty: it has all.
func lacks(report *keyusage.Report, public []string, state issuer.KeyState) string {
	states := make(map[string]issuer.KeyState, len(report.Keys))
	for i := range report.Keys {
		states[report.Keys[i].PublicKey] = report.Keys[i].State
	}
	n, has := 0, issuer.KeyState("")
	for _, key := range public {
		if is := states[key]; is == "" || state != "" && is != state {
			n, has = n+1, is
		}
	}
	switch {
	case n == 0:
		return ""
	case len(public) > 1:
		return fmt.Sprintf("lacks %d of %d keys", n, len(public))
	case has == "":
		return "does not have it"
	default:
		return "has it as " + string(has)
	}
}

// away lists the servers that are not there: those that the others count and that do
// not answer, and those that have asked for a key lately. A server that comes back
// goes by the account JWT that it had, until its resolver has met the others.
func (r *Rotator) away(ctx context.Context) ([]string, error) {
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.FewerError
	switch {
	case errors.As(err, &fewer) && fewer.Of-len(fewer.Have) > len(r.Without):
		return []string{err.Error() + " (one that has crashed counts for some minutes)"}, nil
	case errors.As(err, &fewer):
		servers = fewer.Have
	case err != nil:
		return nil, err
	}
	reports, err := r.Reports(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the running ushers: %w", err)
	}
	var missing []string
	for name, ago := range r.askedLately(reports) {
		here := slices.ContainsFunc(servers, func(s operator.Server) bool { return s.Name == name })
		if !here && !slices.Contains(r.Without, name) {
			missing = append(missing, fmt.Sprintf("server %s was there %s ago, and does not answer", name, ago.Round(time.Second)))
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// askedLately returns the servers that asked for any key lately, and how long ago.
func (r *Rotator) askedLately(reports []keyusage.Report) map[string]time.Duration {
	servers := map[string]time.Duration{}
	for i := range reports {
		for _, k := range reports[i].Keys {
			for _, s := range k.Servers {
				ago := r.Now().Sub(s.Last)
				if last, there := servers[s.Name]; ago < lately && (!there || ago < last) {
					servers[s.Name] = ago
				}
			}
		}
	}
	return servers
}

// servers returns the servers of operator mode; when a key has to go, and for servers
// that are gone for good, those that are there.
func (r *Rotator) servers(ctx context.Context) ([]operator.Server, error) {
	servers, err := r.Operator.Cluster.Servers(ctx)
	var fewer *operator.FewerError
	if errors.As(err, &fewer) && (r.urgent || fewer.Of-len(fewer.Have) <= len(r.Without)) && len(fewer.Have) > 0 {
		r.say("note: %v", err)
		return fewer.Have, nil
	}
	return servers, err
}

// idle waits until nothing depends on a key and nobody has asked for it for a while,
// and returns what is in the way after Wait.
func (r *Rotator) idle(ctx context.Context, s *keyring.State, e *keyring.Entry) ([]string, error) {
	begun := r.Now()
	used := begun // when a use was last seen to have happened, by our clock
	last := map[string]time.Time{}
	err := r.until(ctx, r.Wait+r.quiet(), e.PublicKey+" to fall out of use", func(ctx context.Context) ([]string, error) {
		blockers, err := r.Blockers(ctx, s, e)
		if err != nil || len(blockers) > 0 {
			return blockers, err
		}
		reports, err := r.Reports(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the running ushers: %w", err)
		}
		for i := range reports {
			k := reports[i].Key(e.PublicKey)
			if k == nil || k.Last == nil || k.Last.Equal(last[reports[i].Instance]) {
				continue
			}
			if _, looked := last[reports[i].Instance]; looked {
				used = r.Now()
			}
			last[reports[i].Instance] = *k.Last
		}
		if r.Now().Sub(used) < r.quiet() {
			return []string{"somebody may have asked for it a moment ago"}, nil
		}
		return nil, nil
	})
	var missing *WaitError
	if errors.As(err, &missing) {
		return missing.Missing, nil
	}
	return nil, err
}
