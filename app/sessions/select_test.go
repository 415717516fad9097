package sessions_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/identity"
)

// filled returns a registry with the first n sessions of the tests.
func filled(n int) *sessions.Registry {
	r := sessions.New()
	for i := range n {
		r.Add(connection(i))
	}
	return r
}

func TestFilters(t *testing.T) {
	r := filled(40)
	r.Add(everything()) // in place of the session number 1 of u000000
	from := netip.MustParsePrefix
	for name, c := range map[string]struct {
		filter sessions.Filter
		want   int
	}{
		"all":             {sessions.Filter{}, 40},
		"user":            {sessions.Filter{User: "u000001"}, 4},
		"key":             {sessions.Filter{Key: "ku000001"}, 4},
		"other key":       {sessions.Filter{User: "u000002", Key: "ku000001"}, 0},
		"digest":          {sessions.Filter{Digest: connection(4).Digest}, 4},
		"authority":       {sessions.Filter{Authority: "https://login.example.com"}, 1},
		"method":          {sessions.Filter{Method: identity.MethodAPIKey}, 39},
		"identity":        {sessions.Filter{IdentityID: "248289761001"}, 1},
		"rule":            {sessions.Filter{Rule: "ops"}, 1},
		"project":         {sessions.Filter{Project: "lab"}, 20},
		"account":         {sessions.Filter{Account: "APP"}, 40},
		"other account":   {sessions.Filter{Account: "SYS"}, 0},
		"server id":       {sessions.Filter{Server: "NSERVER1"}, 13},
		"server name":     {sessions.Filter{Server: "nats-0"}, 14},
		"from":            {sessions.Filter{From: from("10.0.0.0/28")}, 15},
		"mqtt client id":  {sessions.Filter{MQTTClientID: "ada:1"}, 1},
		"instance":        {sessions.Filter{Instance: "usher-2"}, 0},
		"since":           {sessions.Filter{Since: start().Add(30 * time.Second)}, 10},
		"ends":            {sessions.Filter{EndsBy: start().Add(time.Hour)}, 40},
		"ends earlier":    {sessions.Filter{EndsBy: start()}, 0},
		"subject":         {sessions.Filter{Subject: "lab.orders"}, 20},
		"pattern":         {sessions.Filter{Subject: "*.orders"}, 40},
		"inbox":           {sessions.Filter{Subject: "_INBOX_u000003.>"}, 4},
		"denied subject":  {sessions.Filter{Subject: "$SYS.REQ.USER.AUTH"}, 0},
		"unknown subject": {sessions.Filter{Subject: "lab.other"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := 0
			for s := range r.Matching(&c.filter) {
				if got++; !c.filter.Match(s) {
					t.Errorf("%+v does not match", s)
				}
			}
			if n := r.Count(&c.filter); got != c.want || n != c.want || c.filter.IsZero() != (name == "all") {
				t.Errorf("%d sessions, counted %d, want %d", got, n, c.want)
			}
		})
	}
}

func TestPagesSurviveChanges(t *testing.T) {
	r := filled(100)
	var got []session.ID
	var next session.ID
	for pages := 0; pages == 0 || next != (session.ID{}); pages++ {
		var page []*session.Session
		page, next = r.Select(&sessions.Filter{Project: "lab"}, next, 7)
		for _, s := range page {
			got = append(got, s.ID)
		}
		if len(page) == 0 || len(page) > 7 {
			t.Fatalf("page of %d", len(page))
		}
		r.Remove(page[len(page)-1].ID, sessions.Disconnected) // the cursor itself
		r.Add(connection(1000 + 8*pages))                     // of shop
	}
	if !slices.IsSortedFunc(got, sessions.Compare) || len(slices.Compact(got)) != 48 {
		t.Errorf("%d sessions: %v", len(got), got)
	}
}

func TestGroups(t *testing.T) {
	r := filled(40) // of ten users, each from four addresses
	for n := 100; n < 104; n++ {
		s := of("u000003", n)
		s.Addr, s.Revision, s.Grant = connection(15).Addr, 9, connection(15).Grant
		s.Digest, s.Identity.KeyID = connection(15).Digest, connection(15).Identity.KeyID
		r.Add(s)
	}
	type group struct{ sessions, groups int }
	count := func(users []string) (n group) {
		for one, ids := range func(yield func(*session.Session, []session.ID) bool) { r.Groups(users, yield) } {
			if n.sessions, n.groups = n.sessions+len(ids), n.groups+1; !slices.Contains(ids, one.ID) {
				t.Errorf("%s is not in its group %v", one.ID, ids)
			}
		}
		return n
	}
	if got := count(nil); got != (group{44, 40}) {
		t.Errorf("all: %v", got)
	}
	if got := count([]string{"u000003", "u000004", "nobody"}); got != (group{12, 8}) {
		t.Errorf("of two users: %v", got)
	}
	if got := count([]string{}); got != (group{}) {
		t.Errorf("of no user: %v", got)
	}
}

func TestCounts(t *testing.T) {
	r := filled(40)
	r.Add(connection(3))
	r.Remove(connection(7).ID, sessions.Disconnected)
	if u, k, p := r.CountOfUser("u000001"), r.CountOfKey("u000001", "ku000001"), r.CountOfProject("lab"); u != 3 || k != 3 || p != 19 {
		t.Errorf("user %d, key %d, project %d", u, k, p)
	}
	if n := r.CountOfUser("nobody") + r.CountOfKey("u000001", "other") + r.CountOfProject("other"); n != 0 {
		t.Errorf("%d of what there is not", n)
	}
}
