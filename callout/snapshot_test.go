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

// switchingVerifier lets another verifier decide, and then has two users exchange their
// names before anything is derived.
type switchingVerifier struct {
	tokens.Verifier
	exchange func()
}

func (v switchingVerifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	id, err := v.Verifier.Verify(ctx, c)
	v.exchange()
	return id, err
}

// Attack: two users exchange their names while one of them connects, and its key gets the other's rights
// Held by: one decision sees one snapshot, from the key to the grant
func TestNamesThatChangePlacesMeanwhile(t *testing.T) {
	t.Parallel()
	before := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	publisher, _ := before.User("publisher")
	consumer, _ := before.User("consumer")
	one, two := *publisher, *consumer
	one.Name, two.Name = two.Name, one.Name
	after, err := before.Try([]directory.Entry{
		{Key: directory.UserKey(one.ID), Value: &one}, {Key: directory.UserKey(two.ID), Value: &two},
	})
	callouttest.Must(t, err)
	current := before
	load := func() *snapshot.Snapshot { return current }
	d := &callout.Decider{
		Chain:    tokens.Chain{switchingVerifier{apikey.NewVerifier(load, time.Now), func() { current = after }}},
		Snapshot: load, Policy: callouttest.Policy(), Now: time.Now,
	}
	publishes := func(t *testing.T, got callout.Decision) {
		t.Helper()
		if got.Outcome != callout.Granted || !got.Grant.Check(permissions.Publish, "shop.orders").Allowed {
			t.Errorf("the publisher's key gets %s %s as %q, and may not publish", got.Code, got.Cause, got.Identity.Name)
		}
	}
	got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
	publishes(t, got)
	if got.Snapshot != before || got.Identity.Name != "publisher" {
		t.Errorf("decided as %q, on another snapshot than it was verified on: %v", got.Identity.Name, got.Snapshot == after)
	}
	got = d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
	publishes(t, got)
	if got.Snapshot != after || got.Identity.Name != "consumer" {
		t.Errorf("the next decision is made as %q, and not on the newest snapshot", got.Identity.Name)
	}
}

// waiting waits for somebody, sees the directory then, and leaves the decision to
// others if it is told so.
type waiting struct {
	meanwhile func()
	sees      **snapshot.Snapshot
	says      error
}

var _ tokens.Slow = waiting{}

func (waiting) Name() string { return "waiting" }

func (waiting) Slow(*tokens.Credential) bool { return true }

func (w waiting) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	w.meanwhile()
	*w.sees = c.Directory(nil)
	return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory}, w.says
}

// Who waits for somebody decides on the directory as it is when it has waited, and
// so does who comes after it in the chain.
func TestSnapshotAfterWaiting(t *testing.T) {
	t.Parallel()
	before := callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))
	after, _, _ := before.Apply(nil)
	last, _, _ := before.Apply(nil)
	for _, says := range []error{nil, tokens.ErrNotApplicable} {
		current := before
		var sees *snapshot.Snapshot
		load := func() *snapshot.Snapshot { return current }
		d := &callout.Decider{
			Chain: tokens.Chain{
				switchingVerifier{waiting{func() { current = after }, &sees, says}, func() { current = last }},
				apikey.NewVerifier(load, time.Now),
			},
			Snapshot: load, Policy: callouttest.Policy(), Now: time.Now,
		}
		got := d.Decide(t.Context(), &tokens.Credential{AuthToken: "publisher-key"})
		want := after
		if errors.Is(says, tokens.ErrNotApplicable) {
			want = last // nobody has decided on what it saw
		}
		if got.Outcome != callout.Granted || sees != after || got.Snapshot != want {
			t.Errorf("it says %v: %s %s; it saw the newest: %v; decided on what it saw: %v", says, got.Code, got.Cause, sees == after, got.Snapshot == want)
		}
	}
}

// No allocation comes with it: the credential has the snapshot in it.
func TestSnapshotAllocatesNothing(t *testing.T) {
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
