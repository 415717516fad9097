package logout_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/app/sessions/logout"
	"usher/callout/callouttest"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
	"usher/tokens/oidc"
)

// harness is a Receiver over a directory file, for tokens that are good.
type harness struct {
	*logout.Receiver
	store   *file.Store
	now     time.Time
	next    oidc.Logout
	live    []*session.Session
	changes int
	err     error // of the directory
}

func start(t *testing.T) *harness {
	t.Helper()
	h := &harness{now: time.Unix(1_000_000, 0)}
	path := filepath.Join(t.TempDir(), "directory.yaml")
	callouttest.Must(t, os.WriteFile(path, []byte("users: []\n"), 0o600))
	var err error
	h.store, err = file.Open(file.Config{Path: path, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return h.now }})
	callouttest.Must(t, err)
	h.Receiver, err = logout.New(logout.Config{
		Verify: func(context.Context, string) (oidc.Logout, error) {
			if h.next.Authority == "" {
				return oidc.Logout{}, tokens.ErrRejected
			}
			return h.next, nil
		},
		Change: func(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
			if h.changes++; h.err != nil {
				return nil, h.err
			}
			return h.store.HoldBans(ctx, f)
		},
		Sessions: func(identity.Authority, string) iter.Seq[*session.Session] {
			return func(yield func(*session.Session) bool) {
				for _, s := range h.live {
					if !yield(s) {
						return
					}
				}
			}
		},
		Lifetimes: map[identity.Authority]time.Duration{"a": time.Hour},
		Now:       func() time.Time { return h.now },
	})
	callouttest.Must(t, err)
	return h
}

// logOut presents a logout token of a time in seconds from the start.
func (h *harness) logOut(t *testing.T, jti, sub, sid string, at int) (logout.Result, error) {
	t.Helper()
	h.next = oidc.Logout{Authority: "a", Subject: sub, SessionID: sid, TokenID: jti, Issued: time.Unix(1_000_000+int64(at), 0)}
	return h.LogOut(t.Context(), "token")
}

// bans returns the bans in force, by target: seconds from the start before which tokens were
// issued that they refuse, and to their end.
func (h *harness) bans() map[string][2]int {
	all := map[string][2]int{}
	for b := range h.store.Snapshot().Bans().All() {
		if b.InForce(h.now) {
			all[b.Target.IdentityID+"/"+b.Target.SessionID] = [2]int{int(b.IssuedBefore.Unix()) - 1_000_000, int(b.Until.Unix()) - 1_000_000}
		}
	}
	return all
}

// A logout refuses what was issued until then, for as long as that can live. Nothing that comes
// again, or late, refuses less or more.
func TestBansOfLogouts(t *testing.T) {
	t.Parallel()
	h := start(t)
	expect := func(what string, r logout.Result, err error, repeated bool, want map[string][2]int) {
		t.Helper()
		if err != nil || r.Repeated != repeated || fmt.Sprint(h.bans()) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, %v: %v, want %v", what, r, err, h.bans(), want)
		}
	}
	r, err := h.logOut(t, "1", "ada", "", 100)
	expect("the first", r, err, false, map[string][2]int{"ada/": {101, 3700}})
	h.now = h.now.Add(10 * time.Minute)
	r, err = h.logOut(t, "1", "ada", "", 100)
	expect("the same token", r, err, true, map[string][2]int{"ada/": {101, 3700}})
	if h.changes != 1 {
		t.Errorf("a repeated token asked for %d changes", h.changes-1)
	}
	r, err = h.logOut(t, "2", "ada", "", 50)
	expect("an older token that comes late", r, err, true, map[string][2]int{"ada/": {101, 3700}})
	r, err = h.logOut(t, "3", "ada", "", 600)
	expect("a newer one", r, err, false, map[string][2]int{"ada/": {601, 4200}})
	r, err = h.logOut(t, "4", "bob", "s1", 600)
	expect("a session", r, err, false, map[string][2]int{"ada/": {601, 4200}, "/s1": {601, 4200}})

	h.now = time.Unix(1_000_000+4200, 0)
	r, err = h.logOut(t, "5", "eve", "", 600)
	expect("one whose tokens have all ended", r, err, true, map[string][2]int{})
	with := func(sid string, end int64) *session.Session {
		claims := map[string]any{}
		if sid != "" {
			claims["sid"] = sid
		}
		return &session.Session{Identity: identity.Identity{Attributes: identity.Attributes{"claims": claims}, NotAfter: time.Unix(1_000_000+end, 0)}}
	}
	h.live = []*session.Session{with("s2", 90_000), with("s3", 99_000)}
	r, err = h.logOut(t, "6", "eve", "s2", 4200)
	expect("a token that is known to live longer", r, err, false, map[string][2]int{"/s2": {4201, 90_000}})
	h.live = append(h.live, with("", 5000))
	r, err = h.logOut(t, "7", "eve", "s4", 4200)
	expect("a session whose token has no sid", r, err, false, map[string][2]int{"/s2": {4201, 90_000}, "/s4": {4201, 7800}, "eve/": {4201, 7800}})
	if n := h.store.Snapshot().Bans().Len(); n != 3 {
		t.Errorf("%d bans are kept, also those that have ended", n)
	}
}

// What could not be done can be tried again.
func TestFailedLogout(t *testing.T) {
	t.Parallel()
	h := start(t)
	if r, err := h.LogOut(t.Context(), "bad"); !errors.Is(err, tokens.ErrRejected) || r.Authority != "" || h.changes != 0 {
		t.Errorf("a bad token: %+v, %v", r, err)
	}
	h.err = errors.New("no quorum")
	if r, err := h.logOut(t, "1", "ada", "", 0); !errors.Is(err, h.err) || r.Authority != "a" {
		t.Errorf("without a directory: %+v, %v", r, err)
	}
	h.err = nil
	if r, err := h.logOut(t, "1", "ada", "", 0); err != nil || r.Repeated || len(h.bans()) != 1 {
		t.Errorf("the second try: %+v, %v", r, err)
	}
}

// An authority cannot fill the directory.
//
// Attack: so many people log out that the directory is full of bans
// Held by: a bound for each authority; one ban of each subject or session; bans end
func TestManyLogouts(t *testing.T) {
	t.Parallel()
	h := start(t)
	for i := range logout.MaxBans {
		if _, err := h.logOut(t, "1", fmt.Sprint("u", i), "", 0); err != nil {
			t.Fatal(i, err)
		}
	}
	if _, err := h.logOut(t, "1", "one-more", "", 0); !errors.Is(err, logout.ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if r, err := h.logOut(t, "2", "u7", "", 9); err != nil || r.Repeated {
		t.Errorf("one who has logged out before: %+v, %v", r, err)
	}
	h.now = h.now.Add(2 * time.Hour)
	if _, err := h.logOut(t, "3", "one-more", "", 7200); err != nil || h.store.Snapshot().Bans().Len() != 1 {
		t.Errorf("after the end of the bans: %v, %d", err, h.store.Snapshot().Bans().Len())
	}
}
