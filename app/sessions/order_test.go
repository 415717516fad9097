package sessions_test

import (
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
)

// Sessions of one connection come from several replicas, whose clocks differ, in any order. The
// last one that was granted stays, or somebody is told that nobody knows which that is.
func TestOrderOfGrants(t *testing.T) {
	at := func(replica, user string, decided, follows int) *session.Session {
		s := of(user, 1)
		s.Instance, s.RequestID = replica, replica+user+time.Duration(decided).String()
		s.Decided = start().Add(time.Duration(decided) * time.Millisecond)
		if follows != 0 {
			s.Follows = start().Add(time.Duration(follows) * time.Millisecond)
		}
		return s
	}
	adopted := &session.Session{ID: of("", 1).ID, Adopted: true}
	for _, tt := range []struct {
		name             string
		old, next        *session.Session
		added, contested bool
	}{
		{"one after the other, of one replica", at("a", "pia", 1, 0), at("a", "eve", 2, 0), true, false},
		{"of one replica, told late", at("a", "eve", 2, 0), at("a", "pia", 1, 0), false, false},
		{"of one that knew the other", at("a", "pia", 5, 0), at("b", "eve", 6, 5), true, false},
		{"of one that knew an older one", at("a", "pia", 5, 0), at("b", "eve", 6, 4), true, true},
		{"at once", at("a", "pia", 5, 0), at("b", "eve", 6, 0), true, true},
		{"at once, by clocks that differ", at("a", "pia", 5, 0), at("b", "eve", 1, 0), false, true},
		{"with one credential", at("a", "pia", 5, 0), at("b", "pia", 6, 0), true, false},
		{"of which nobody knew the credential", adopted, at("b", "eve", 1, 0), true, false},
	} {
		r := sessions.New()
		r.Add(tt.old)
		added, c := r.AddGranted(tt.next)
		got, _ := r.Find(tt.next.ID)
		if added != tt.added || (c != nil) != tt.contested || (got.RequestID == tt.next.RequestID) != tt.added {
			t.Errorf("%s: added %t, %+v, has that of %s", tt.name, added, c, got.Instance)
		}
	}
}
