package callout_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/apikey"
)

// switchingVerifier calls another verifier, and then replaces the snapshot, before the
// grant is derived.
type switchingVerifier struct {
	tokens.Verifier
	replace func()
}

func (v switchingVerifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	id, err := v.Verifier.Verify(ctx, c)
	v.replace()
	return id, err
}

// Attack: two users swap names while one of them connects, and its key gets the grant of the other
// Held by: a decision uses one snapshot, from the key to the grant
func TestNamesSwappedDuringDecision(t *testing.T) {
	t.Parallel()
	before := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	publisher, _ := before.User("publisher")
	consumer, _ := before.User("consumer")
	first, second := *publisher, *consumer
	first.Name, second.Name = second.Name, first.Name
	after, err := before.Try([]directory.Entry{
		{Key: directory.UserKey(first.ID), Value: &first}, {Key: directory.UserKey(second.ID), Value: &second},
	})
	callouttest.Must(t, err)
	current := before
	load := func() *snapshot.Snapshot { return current }
	d := &callout.Decider{
		Chain:    tokens.Chain{switchingVerifier{apikey.NewVerifier(load, time.Now), func() { current = after }}},
		Snapshot: load, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
	}
	expectPublisher := func(t *testing.T, got callout.Decision) {
		t.Helper()
		if got.Outcome != callout.Granted || !got.Grant.Check(permissions.Publish, "shop.orders").Allowed {
			t.Errorf("the publisher's key: %s %s as %q, may not publish", got.Code, got.Cause, got.Identity.Name)
		}
	}
	got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
	expectPublisher(t, got)
	if got.Snapshot != before || got.Identity.Name != "publisher" {
		t.Errorf("decided as %q; on a newer snapshot than verified: %v", got.Identity.Name, got.Snapshot == after)
	}
	got = d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
	expectPublisher(t, got)
	if got.Snapshot != after || got.Identity.Name != "consumer" {
		t.Errorf("the next decision is as %q, or not on the latest snapshot", got.Identity.Name)
	}
}

// slowVerifier waits, then loads the directory, and returns err.
type slowVerifier struct {
	wait   func()
	loaded **snapshot.Snapshot
	err    error
}

var _ tokens.Slow = slowVerifier{}

func (slowVerifier) Name() string { return "slow" }

func (slowVerifier) Slow(*tokens.Credential) bool { return true }

func (w slowVerifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	w.wait()
	*w.loaded = c.Directory(nil)
	return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory}, w.err
}

// A slow verifier decides on the snapshot after its wait, and so do the verifiers after
// it in the chain.
func TestSnapshotAfterSlowVerifier(t *testing.T) {
	t.Parallel()
	before := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	after, _, _ := before.Apply(nil)
	last, _, _ := before.Apply(nil)
	for _, err := range []error{nil, tokens.ErrNotApplicable} {
		current := before
		var loaded *snapshot.Snapshot
		load := func() *snapshot.Snapshot { return current }
		d := &callout.Decider{
			Chain: tokens.Chain{
				switchingVerifier{slowVerifier{func() { current = after }, &loaded, err}, func() { current = last }},
				apikey.NewVerifier(load, time.Now),
			},
			Snapshot: load, Ruleset: callout.FixedRuleset(callouttest.Policy(), nil),
		}
		got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
		want := after
		if errors.Is(err, tokens.ErrNotApplicable) {
			want = last // the slow verifier did not decide
		}
		if got.Outcome != callout.Granted || loaded != after || got.Snapshot != want {
			t.Errorf("%v: %s %s; loaded the latest snapshot: %v; decided on the expected one: %v", err, got.Code, got.Cause, loaded == after, got.Snapshot == want)
		}
	}
}

// Binding a credential to a snapshot does not allocate.
func TestSnapshotDoesNotAllocate(t *testing.T) {
	s := snapshot.Empty()
	load := func() *snapshot.Snapshot { return s }
	c := &tokens.Credential{AuthToken: "publisher-key"}
	if n := testing.AllocsPerRun(100, func() {
		c.Bind(load)
		if c.Directory(load) != s {
			t.Error("another snapshot")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
