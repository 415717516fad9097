// Package conformance holds the tests that every kind of verifier passes, so that a
// request is decided in the same way whatever credential it has. The test of a verifier
// describes its kind and calls Run.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// Kind describes a kind of verifier to Run.
type Kind struct {
	// New returns a verifier that has what it needs: its backends run, and directory is
	// the fallback of tokens.Credential.Directory.
	New func(t *testing.T, directory func() *snapshot.Snapshot) tokens.Verifier

	// Directory is what the credentials below are verified with; nil: an empty one.
	Directory *snapshot.Snapshot

	// OfDirectory: identities are users of the directory, so none is verified without one.
	OfDirectory bool

	Method    identity.Method
	Authority identity.Authority

	Good tokens.Credential            // is verified
	Bad  map[string]tokens.Credential // code → is rejected with it, or is not known by it (tokens.Unknown)
	Down map[string]tokens.Credential // what is missing → cannot be decided now; may be nil
	Not  map[string]tokens.Credential // what it is → is not recognised; those of Foreign besides
	// Secrets are the parts of the credentials that must not appear in any error.
	Secrets []string
}

// Foreign returns credentials that only a verifier of opaque tokens may recognise.
func Foreign() map[string]tokens.Credential {
	return map[string]tokens.Credential{
		"nothing":             {},
		"a selection":         {User: "project=shop"},
		"a host":              {Host: "192.0.2.7"},
		"a health-check like": {AuthToken: "HEALTHCHECK-x"},
	}
}

// Run runs the tests.
func Run(t *testing.T, k Kind) { //nolint:gocritic // a description, used once
	t.Helper()
	if k.Directory == nil {
		k.Directory = snapshot.Empty()
	}
	current := func() *snapshot.Snapshot { return k.Directory }
	v := k.New(t, current)
	t.Run("good", func(t *testing.T) { k.good(t, v) })
	t.Run("bad", func(t *testing.T) { k.bad(t, v) })
	t.Run("down", func(t *testing.T) { k.down(t, v) })
	t.Run("not recognised", func(t *testing.T) { k.not(t, v) })
	t.Run("ended context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := tokens.Chain{v}.Verify(ctx, clone(&k.Good), nil)
		if err != nil && !errors.Is(err, tokens.ErrUnavailable) {
			t.Errorf("a context that has ended is a denial: %v", err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if _, _, err := (tokens.Chain{v}).Verify(t.Context(), clone(&k.Good), nil); err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
	})
	if k.OfDirectory {
		t.Run("directory", func(t *testing.T) { k.ofDirectory(t) })
	}
}

func clone(c *tokens.Credential) *tokens.Credential {
	copied := *c
	return &copied
}

func (k *Kind) good(t *testing.T, v tokens.Verifier) {
	t.Helper()
	id, by, err := tokens.Chain{v}.Verify(t.Context(), clone(&k.Good), nil)
	if err != nil || by != v.Name() || by == "" {
		t.Fatalf("by %q: %v", by, err)
	}
	if id.Method != k.Method || id.Authority != k.Authority {
		t.Errorf("method %q of %q, want %q of %q", id.Method, id.Authority, k.Method, k.Authority)
	}
	switch {
	case k.OfDirectory && (directory.CheckName(id.Name) != nil || id.Authority != identity.AuthorityDirectory):
		t.Errorf("not a user of the directory: %q of %q", id.Name, id.Authority)
	case !k.OfDirectory && (id.ID == "" || id.Name != ""):
		t.Errorf("id %q, and name %q, which the rules of identities give", id.ID, id.Name)
	}
	if _, err := json.Marshal(id.Attributes); err != nil {
		t.Errorf("attributes that JSON does not have: %v", err)
	}
	k.noSecret(t, fmt.Sprintf("%+v", id))
	selecting := clone(&k.Good)
	if selecting.User == "" {
		selecting.User = "project=shop"
		if id, _, err := (tokens.Chain{v}).Verify(t.Context(), selecting, nil); err != nil || id.Selection.Project != "shop" {
			t.Errorf("with a selected project: %+v, %v", id.Selection, err)
		}
		selecting.User = "project="
		if _, _, err := (tokens.Chain{v}).Verify(t.Context(), selecting, nil); !errors.Is(err, tokens.ErrRejected) {
			t.Errorf("with an empty selection: %v", err)
		}
	}
}

func (k *Kind) bad(t *testing.T, v tokens.Verifier) {
	t.Helper()
	for code, c := range k.Bad {
		id, by, err := tokens.Chain{v}.Verify(t.Context(), clone(&c), nil)
		var r *tokens.Reason
		if !errors.Is(err, tokens.ErrRejected) || !errors.As(err, &r) || r.Code != code || by != v.Name() {
			t.Errorf("%s: by %q, %v, %v", code, by, r, err)
			continue
		}
		if id.Name != "" || id.ID != "" {
			t.Errorf("%s: rejected, but with identity %+v", code, id)
		}
		k.noSecret(t, err.Error())
	}
}

func (k *Kind) down(t *testing.T, v tokens.Verifier) {
	t.Helper()
	for what, c := range k.Down {
		_, _, err := tokens.Chain{v}.Verify(t.Context(), clone(&c), nil)
		if !errors.Is(err, tokens.ErrUnavailable) || errors.Is(err, tokens.ErrRejected) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		k.noSecret(t, err.Error())
	}
}

func (k *Kind) not(t *testing.T, v tokens.Verifier) {
	t.Helper()
	foreign := Foreign()
	if k.Method == identity.MethodAnonymous { // which is the verifier of nothing
		foreign = nil
	}
	for _, all := range []map[string]tokens.Credential{foreign, k.Not} {
		for what, c := range all {
			_, err := v.Verify(t.Context(), clone(&c))
			if !errors.Is(err, tokens.ErrNotApplicable) {
				t.Errorf("%s: %v", what, err)
			}
			if s, ok := v.(tokens.Slow); ok && errors.Is(err, tokens.ErrNotApplicable) && s.Slow(clone(&c)) {
				t.Errorf("%s: slow for a credential that it does not recognise", what)
			}
		}
	}
}

// ofDirectory: the verifier uses the directory of the decision, and decides nothing
// without one.
func (k *Kind) ofDirectory(t *testing.T) {
	t.Helper()
	none := k.New(t, func() *snapshot.Snapshot { return nil })
	if _, _, err := (tokens.Chain{none}).Verify(t.Context(), clone(&k.Good), nil); !errors.Is(err, tokens.ErrUnavailable) {
		t.Errorf("without a directory: %v", err)
	}
	c := clone(&k.Good)
	c.Bind(func() *snapshot.Snapshot { return k.Directory })
	if _, _, err := (tokens.Chain{none}).Verify(t.Context(), c, nil); err != nil {
		t.Errorf("the directory of the decision is not used: %v", err)
	}
}

func (k *Kind) noSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range k.Secrets {
		if strings.Contains(text, s) {
			t.Errorf("shows a secret: %s", strings.ReplaceAll(text, s, "[…]"))
		}
	}
}
