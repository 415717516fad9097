package pushworkers_test

import (
	"context"
	"errors"
	"testing"

	"usher/api/push"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/checkup/pushworkers"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/fault"
)

// told is what push workers have said; the live test of usher push reads it from a bucket.
type told struct {
	workers []string
	states  map[string]push.State // by name of the subscription
	err     error
}

func (x told) State(_ context.Context, _ *directory.Project, sub *directory.Subscription) (push.State, error) {
	return x.states[sub.Name], x.err
}

func (x told) Workers(context.Context) ([]string, error) { return x.workers, nil }

func directoryOf(t *testing.T, names ...string) *snapshot.Snapshot {
	t.Helper()
	p := directory.Project{Name: "shop", Account: "APP", Topics: []directory.Topic{{Name: "orders"}}, Subscriptions: []directory.Subscription{{Name: "pulled", Topic: "orders"}}}
	for _, name := range names {
		p.Subscriptions = append(p.Subscriptions, directory.Subscription{Name: name, Topic: "orders", Push: &directory.Push{Endpoint: "https://receiver.example/"}})
	}
	s, err := snapshot.New(directory.Records{Projects: []directory.Project{p}})
	callouttest.Must(t, err)
	return s
}

func TestCheckStates(t *testing.T) {
	s := directoryOf(t, "a", "b", "c")
	of := func(a, b, c string) map[string]push.State {
		return map[string]push.State{"a": {Status: a}, "b": {Status: b, LastError: "receiver.example: no answer in time"}, "c": {Status: c}}
	}
	for _, tt := range []struct {
		told     told
		severity finding.Severity
		says     string
	}{
		{told{}, finding.Warning, "no process pushes, so endpoints get nothing: 3 subscriptions (shop/a, shop/b, shop/c)"},
		{told{workers: []string{"w"}, states: of("active", "active", "active")}, finding.OK, "1 push worker for 3 subscriptions"},
		{told{workers: []string{"w"}, states: of("active", "retrying", "active")}, finding.Warning, "tried again: 1 subscription (shop/b); the first: receiver.example: no answer in time"},
		{told{workers: []string{"w"}, states: of("unverified", "active", "active")}, finding.Warning, "not verified get nothing: 1 subscription (shop/a)"},
		{told{workers: []string{"w"}, states: of("active", "active", "inactive")}, finding.Warning, "no process has taken 1 subscription (shop/c)"},
		{told{workers: []string{"w"}, err: errors.New("gone")}, finding.Warning, "cannot ask how the pushes of shop/a go: gone"},
	} {
		var f finding.List
		pushworkers.CheckStates(t.Context(), &f, s, tt.told)
		findingtest.Holds(t, f, fault.None, "pushes", tt.severity, tt.says)
		if len(f) != 1 {
			t.Errorf("%+v", f)
		}
	}
}

func TestCheckAsksNobody(t *testing.T) {
	var f finding.List
	cfg := &config.Config{}
	pushworkers.Check(t.Context(), &f, cfg, nil, nil)
	pushworkers.Check(t.Context(), &f, cfg, directoryOf(t), nil)
	if len(f) != 0 {
		t.Errorf("%+v", f)
	}
	cfg.Directory.From = config.DirectoryFile
	pushworkers.Check(t.Context(), &f, cfg, directoryOf(t, "a"), nil)
	findingtest.Holds(t, f, fault.None, "pushes", finding.Warning, "nothing is pushed for 1 subscription (shop/a): the directory is a file")
}
