package server

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"usher/app/assembly"
	"usher/callout"
	"usher/callout/callouttest"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions/mapping"
	"usher/tokens"
)

// cached is a verifier with a cache of identities.
type cached struct {
	identities []identity.Identity
	forgot     chan struct{} // an element for each call of Forget
}

var _ tokens.Forgetter = (*cached)(nil)

func (*cached) Name() string { return "cached" }

func (*cached) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, tokens.ErrNotApplicable
}

func (c *cached) Forget(match func(*identity.Identity) bool) {
	c.identities = slices.DeleteFunc(c.identities, func(id identity.Identity) bool { return match(&id) })
	c.forgot <- struct{}{}
}

// fixed is a directory that does not change.
type fixed struct {
	assembly.Store
	snapshot *snapshot.Snapshot
}

func (f fixed) Snapshot() *snapshot.Snapshot { return f.snapshot }

// TestForget: a change of the directory drops what verifiers have cached of the users that
// it names, whether the verifier or a rule of identities names them. A change that names
// none drops everything.
func TestForget(t *testing.T) {
	rules, problems := mapping.New(mapping.Config{Rules: []mapping.Rule{{
		Name: "corp", User: "{id}", When: []mapping.Condition{{Fact: "authority", Equals: "corp"}},
	}}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	store := fixed{snapshot: callouttest.ParseDirectory(t, callouttest.WithDigests(callouttest.DirectoryYAML))}
	user, ok := store.Snapshot().User("publisher")
	if !ok {
		t.Fatal("no user publisher")
	}
	srv := &Server{Parts: &assembly.Parts{Store: store}, forgetting: newForgetting()}
	v := &cached{forgot: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		srv.forgetting.run(ctx, tokens.Chain{v}, callout.FixedRuleset(nil, rules))
		close(ended)
	}()
	for name, tt := range map[string]struct {
		change kv.Changed
		kept   string
	}{
		"one user":                {kv.Changed{Users: []uuid.UUID{user.ID}}, "consumer, corp/consumer, other/publisher"},
		"a user who is gone":      {kv.Changed{Users: []uuid.UUID{uuid.New()}}, ""},
		"the whole bucket is new": {kv.Changed{Loaded: true}, ""},
	} {
		v.identities = []identity.Identity{
			{Name: "publisher"},
			{Name: "consumer"},
			{Authority: "corp", ID: "publisher"},
			{Authority: "corp", ID: "consumer"},
			{Authority: "other", ID: "publisher"},
		}
		srv.forgetChanged(&kv.Changed{}) // affects nobody, so nothing happens
		srv.forgetChanged(&tt.change)
		<-v.forgot
		var kept []string
		for _, id := range v.identities {
			kept = append(kept, strings.TrimPrefix(string(id.Authority)+"/"+id.ID+id.Name, "/"))
		}
		if got := strings.Join(kept, ", "); got != tt.kept {
			t.Errorf("%s: kept %q, want %q", name, got, tt.kept)
		}
	}
	cancel()
	<-ended
}
