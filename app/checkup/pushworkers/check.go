// Package pushworkers checks, for usher check, that somebody pushes the messages of the
// subscriptions that have an endpoint, and that their pushes succeed. It asks what the processes
// that push have written into push.bucket, and changes nothing.
package pushworkers

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"usher/api/push"
	"usher/app/checkup/endpoint"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/push/lease"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/plural"
)

const (
	pushes = "pushes"
	limit  = 5 * time.Second // for all questions
	asked  = 200             // subscriptions
	named  = 5               // subscriptions that a finding names

	statusHint = "usher push status shows each of them"
	howTo      = "docs/how-to/push.md"
)

// Check appends what it finds to f; nothing if no subscription is pushed, or if push servers of
// an AMS push. s may be nil.
func Check(ctx context.Context, f *finding.List, cfg *config.Config, s *snapshot.Snapshot, now func() time.Time) {
	if s == nil || len(cfg.Push.Servers) > 0 || len(pushed(s)) == 0 {
		return
	}
	if cfg.Directory.From == config.DirectoryFile {
		f.Warn(pushes, "", "usher directory import copies the file into a bucket", "nothing is pushed for %s: the directory is a file", list(pushed(s)))
		return
	}
	js, end, ok := endpoint.JetStream(cfg, "usher-check-pushes", limit)
	if !ok {
		return // reported for the service user
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	CheckStates(ctx, f, s, lease.NewReader(js, cfg.Push.Bucket, now))
}

// subscription is one that is pushed, with its project.
type subscription struct {
	project *directory.Project
	*directory.Subscription
}

func (s subscription) String() string { return s.project.Name + "/" + s.Name }

func pushed(s *snapshot.Snapshot) (all []subscription) {
	for p := range s.Projects() {
		for i := range p.Subscriptions {
			if p.Subscriptions[i].Push != nil {
				all = append(all, subscription{p, &p.Subscriptions[i]})
			}
		}
	}
	return all
}

// CheckStates appends what states tell about the subscriptions of s that are pushed.
func CheckStates(ctx context.Context, f *finding.List, s *snapshot.Snapshot, states push.States) {
	all := pushed(s)
	workers, err := states.Workers(ctx)
	switch {
	case err != nil:
		f.Warn(pushes, "", "the service user must be allowed to use JetStream of its account", "cannot ask who pushes: %v", err)
		return
	case len(workers) == 0:
		f.Warn(pushes, "", "run usher push, or set push.inside: true in usher.yaml and restart usher serve ("+howTo+")", "no process pushes, so endpoints get nothing: %s", list(all))
		return
	}
	total := len(all)
	all = all[:min(total, asked)]
	var unverified, failing, blocked, idle []subscription
	last, cause := "", ""
	for _, sub := range all {
		state, err := states.State(ctx, sub.project, sub.Subscription)
		if err != nil {
			f.Warn(pushes, "", statusHint, "cannot ask how the pushes of %s go: %v", sub, err)
			return
		}
		switch state.Status {
		case push.StatusUnverified:
			unverified = append(unverified, sub)
		case push.StatusRetrying:
			failing = append(failing, sub)
			last = cmp.Or(last, state.LastError)
		case push.StatusBlocked:
			blocked = append(blocked, sub)
			cause = cmp.Or(cause, state.LastError)
		case push.StatusInactive:
			idle = append(idle, sub)
		}
	}
	before := len(*f)
	if len(failing) > 0 {
		f.Warn(pushes, "", statusHint, "pushes fail and are tried again: %s; the first: %s", list(failing), last)
	}
	if len(blocked) > 0 {
		f.Warn(pushes, "", "the keyring of usher push must be that of usher serve; the log of usher push says more", "nothing is pushed for %s; the first: %s", list(blocked), cause)
	}
	if len(unverified) > 0 {
		f.Warn(pushes, "", "usher subscription push verify SUBSCRIPTION", "endpoints that are not verified get nothing: %s", list(unverified))
	}
	if len(idle) > 0 {
		f.Warn(pushes, "", "a process takes a new one within seconds; the log of usher push says why it does not", "no process has taken %s", list(idle))
	}
	if len(*f) == before {
		f.OK(pushes, "", "%s for %s", plural.Count(len(workers), "push worker"), plural.Count(total, "subscription"))
	}
}

// list counts subscriptions, and names the first.
func list(all []subscription) string {
	var names []string
	for _, s := range all[:min(len(all), named)] {
		names = append(names, s.String())
	}
	if len(all) > named {
		names = append(names, "…")
	}
	return fmt.Sprintf("%s (%s)", plural.Count(len(all), "subscription"), strings.Join(names, ", "))
}
