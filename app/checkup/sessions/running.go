package sessions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/sessions/refusals"
	"usher/callout/keyusage"
	"usher/internal/plural"
)

const (
	replicasCheck = "sessions replicas"
	refusedCheck  = "refused_by_server"

	reportWait = time.Second
	// attempts is how often running ushers are asked while they differ: a change may just be
	// on its way.
	attempts = 3
	// recent is how long a refusal is a warning.
	recent = time.Hour
)

// checkRunning checks what the running ushers report.
func checkRunning(ctx context.Context, f *finding.List, cfg *config.Config, now time.Time) {
	opts, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return // the check of the service user reports it
	}
	nc, err := nats.Connect(natsconn.URLs(cfg), append(opts, nats.Name("usher-check-reports"), nats.Timeout(limit), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		return // the check connect reports it
	}
	defer nc.Close()
	u := user{ctx: ctx, nc: nc}
	if permitted := u.subscribe(refusals.Subject); !permitted && u.err == nil {
		f.Warn(refusedCheck, "", "allow the service user to subscribe to "+refusals.Subject, "usher does not hear why servers did not accept user JWTs")
	}
	var running []keyusage.Report
	var differ []string
	for range attempts {
		reports, err := keyusage.Collect(ctx, nc, reportWait)
		if err != nil {
			return // the check of the service reports it
		}
		running = slices.DeleteFunc(reports, func(r keyusage.Report) bool { return r.Sessions == nil })
		if differ = differences(running); len(differ) == 0 {
			break
		}
	}
	if len(running) == 0 {
		return
	}
	checkReplicas(f, running, differ)
	checkRefused(f, running, now)
}

// checkReplicas reports whether the running ushers know each other, and decide by the same.
func checkReplicas(f *finding.List, running []keyusage.Report, differ []string) {
	live := 0
	for i := range running {
		r := &running[i]
		live = max(live, r.Sessions.Live)
		if r.Sessions.NotShared != "" {
			differ = append(differ, fmt.Sprintf("%s does not share sessions: %s", r.Name(), r.Sessions.NotShared))
		}
		if r.Sessions.NotReady != "" {
			f.Warn(userCheck, "", "its log has the first failure; "+howTo, "%s cannot close sessions: %s", r.Name(), r.Sessions.NotReady)
		}
	}
	for _, d := range differ {
		f.Warn(replicasCheck, "", "give all ushers the same files and the same servers; look at their logs and at /readyz", "%s", d)
	}
	switch {
	case len(differ) > 0:
	case len(running) == 1:
		f.OK(replicasCheck, "", "1 usher, and no other; %s", plural.Count(live, "live session"))
	default:
		f.OK(replicasCheck, "", "%s: know each other, and decide by the same directory and identities; %s", plural.Count(len(running), "usher"), plural.Count(live, "live session"))
	}
}

// differences returns in what the running ushers differ.
func differences(running []keyusage.Report) (out []string) {
	for i := range running {
		a := &running[i]
		for j := range running {
			b := &running[j]
			if i != j && a.Sessions.NotShared == "" && !slices.Contains(a.Sessions.Replicas, b.Instance) {
				out = append(out, fmt.Sprintf("%s does not hear of %s", a.Name(), b.Name()))
			}
		}
		if i == 0 {
			continue
		}
		first, s := &running[0], a.Sessions
		if s.Directory != first.Sessions.Directory || s.Revision != first.Sessions.Revision {
			out = append(out, fmt.Sprintf("%s and %s decide by different directories (%s, %s)", first.Name(), a.Name(), directoryOf(first.Sessions), directoryOf(s)))
		}
		if s.Identities != first.Sessions.Identities {
			out = append(out, fmt.Sprintf("%s and %s have different identities and profiles", first.Name(), a.Name()))
		}
	}
	return out
}

func directoryOf(s *keyusage.Sessions) string {
	if s.Directory != "" {
		return "file " + s.Directory
	}
	return fmt.Sprintf("revision %d", s.Revision)
}

// checkRefused reports which user JWTs servers did not accept.
func checkRefused(f *finding.List, running []keyusage.Report, now time.Time) {
	all := refused(running)
	if len(all) == 0 {
		f.OK(refusedCheck, "", "servers have accepted every user JWT since the start of %s", plural.Count(len(running), "usher"))
		return
	}
	for i := range all {
		r := &all[i]
		said := ""
		if r.Reason != "" {
			said = fmt.Sprintf(": %s says %q", cmp.Or(r.Server, "the server"), r.Reason)
		}
		text := fmt.Sprintf("%d granted connections to account %s, last at %s (user %s, request %s), %s%s",
			r.Count, r.Account, r.Last.Format(time.RFC3339), r.User, r.RequestID, r.Class, said)
		if now.Sub(r.Last) > recent {
			f.OK(refusedCheck, r.Account, "not in the last hour; before that %s", text)
			continue
		}
		f.Warn(refusedCheck, r.Account, r.Hint, "%s", text)
	}
}

// refused merges what the running ushers report, the latest first.
func refused(running []keyusage.Report) []keyusage.Refused {
	var all []keyusage.Refused
	for i := range running {
		for _, r := range running[i].Sessions.Refused {
			at := slices.IndexFunc(all, func(x keyusage.Refused) bool { return x.Account == r.Account && x.Class == r.Class })
			if at < 0 {
				all = append(all, r)
				continue
			}
			count := all[at].Count + r.Count
			if r.Last.After(all[at].Last) {
				all[at] = r
			}
			all[at].Count = count
		}
	}
	slices.SortFunc(all, func(a, b keyusage.Refused) int {
		return cmp.Or(b.Last.Compare(a.Last), strings.Compare(a.Account+a.Class, b.Account+b.Class))
	})
	return all
}
