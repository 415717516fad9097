package permissions_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/directory"
	"usher/identity"
	"usher/permissions"
)

// The exact rules of every role.
func TestGrants(t *testing.T) {
	adminOf := func(p string, inbox string, subjects ...string) []string {
		var pub []string
		pub = append(pub, "$JS.ACK."+p+".*.*.*.*.*.*", "$JS.API.CONSUMER.CREATE."+p)
		for n := range 17 { // a consumer, and a filter of up to 16 tokens
			pub = append(pub, "$JS.API.CONSUMER.CREATE."+p+".*"+strings.Repeat(".*", n))
		}
		for _, s := range []string{
			"CONSUMER.DELETE.{}.*", "CONSUMER.DURABLE.CREATE.{}.*",
			"CONSUMER.INFO.{}.*", "CONSUMER.LIST.{}", "CONSUMER.MSG.NEXT.{}.*", "CONSUMER.NAMES.{}", "CONSUMER.PAUSE.{}.*",
		} {
			pub = append(pub, "$JS.API."+strings.Replace(s, "{}", p, 1))
		}
		for n := range 17 {
			if p == "moon" { // alone in its account
				pub = append(pub, "$JS.API.DIRECT.GET."+p+strings.Repeat(".*", n))
			}
		}
		for _, s := range []string{
			"STREAM.INFO.{}", "STREAM.MSG.DELETE.{}", "STREAM.MSG.GET.{}", "STREAM.PURGE.{}",
		} {
			pub = append(pub, "$JS.API."+strings.Replace(s, "{}", p, 1))
		}
		pub = append(pub, "$JS.FC."+p+".*.*")
		pub = append(pub, subjects...)
		out := withPrefix("publish allow ", pub...)
		return append(out, withPrefix("subscribe allow ", append([]string{inbox}, subjects...)...)...)
	}
	ingest := withPrefix("publish allow ", "_HB.>", "_INBOX.>", "_STAN.close.*", "_STAN.discover.event-service",
		"_STAN.discover.event-service.*", "_STAN.pub.*.habitat")
	everything := []string{
		"publish allow >", "publish deny $SYS.REQ.USER.AUTH", "subscribe allow >", "subscribe deny $SYS.REQ.USER.AUTH",
	}
	billing := withPrefix("publish allow ", "$JS.ACK.shop.billing.*.*.*.*.*", "$JS.API.CONSUMER.INFO.shop.billing", "$JS.API.CONSUMER.MSG.NEXT.shop.billing")

	tests := []struct {
		name, user, selection, account string
		want                           []string
		tags                           string
	}{
		{
			"a publisher gets the topics whose ACLs name it", "pia", "", "APP",
			[]string{"publish allow shop.market.prices", "publish allow shop.orders", "subscribe allow _INBOX_pia.>"},
			"key:laptop method:apikey project:shop role:publisher",
		},
		{
			"a consumer gets the subscriptions whose ACLs name it, and no topic", "carl", "", "APP",
			append(slices.Clone(billing), "subscribe allow _INBOX_carl.>"),
			"key:laptop method:apikey project:shop role:consumer",
		},
		{
			"publisher and consumer together", "bob", "", "APP",
			append(slices.Clone(billing), "publish allow shop.orders", "subscribe allow _INBOX_bob.>"),
			"key:laptop method:apikey project:shop role:consumer role:publisher",
		},
		{
			"a role without an ACL entry publishes nothing", "idle", "", "APP",
			[]string{"publish deny >", "subscribe allow _INBOX_idle.>"},
			"key:laptop method:apikey project:shop role:consumer role:publisher",
		},
		{
			"a project admin gets the project without ACLs", "ann", "", "APP",
			adminOf("shop", "_INBOX_ann.>", "shop.>"),
			"key:laptop method:apikey project:shop role:project_admin",
		},
		{
			"a service admin gets the account, except the auth subject", "root", "", "APP", everything,
			"key:laptop method:apikey role:service_admin",
		},
		{"a service admin that selects a project gets its account", "root", "project=moon", "OTHER", everything, "key:laptop method:apikey role:service_admin"},
		{"a service admin that selects the account of the role", "root", "account=APP", "APP", everything, "key:laptop method:apikey role:service_admin"},
		{"a service admin that is also a member", "boss", "project=shop", "APP", everything, "key:laptop method:apikey role:service_admin"},
		{
			"ingest, as the event gateway grants it, except for subscriptions to everything", "hab", "", "INGEST",
			slices.Concat(ingest, withPrefix("publish allow ", "habitat.event.*"),
				withPrefix("subscribe allow ", "_HB.>", "_INBOX.>", "_INBOX_hab.>", "_STAN.acks.>", "_STAN.discover.event-service.*")),
			"key:laptop method:apikey role:ingest",
		},
		{
			"ingest and a project in one account add up", "hyb", "", "INGEST",
			slices.Concat(ingest, withPrefix("publish allow ", "edge.raw", "habitat.event.*"),
				withPrefix("subscribe allow ", "_HB.>", "_INBOX.>", "_INBOX_hyb.>", "_STAN.acks.>", "_STAN.discover.event-service.*")),
			"key:laptop method:apikey project:edge role:ingest role:publisher",
		},
		{
			"a selected project leaves ingest out", "hyb", "project=edge", "INGEST",
			[]string{"publish allow edge.raw", "subscribe allow _INBOX_hyb.>"},
			"key:laptop method:apikey project:edge role:publisher",
		},
		{
			"two projects in one account add up", "wide", "", "APP",
			slices.Concat(withPrefix("publish allow ", "$JS.ACK.lab.reader.*.*.*.*.*", "$JS.API.CONSUMER.INFO.lab.reader",
				"$JS.API.CONSUMER.MSG.NEXT.lab.reader", "lab.raw", "shop.orders"), withPrefix("subscribe allow ", "_INBOX_wide.>")),
			"key:laptop method:apikey project:lab project:shop role:consumer role:publisher",
		},
		{
			"a selected project leaves the other out", "wide", "project=shop", "APP",
			[]string{"publish allow shop.orders", "subscribe allow _INBOX_wide.>"},
			"key:laptop method:apikey project:shop role:publisher",
		},
		{
			"a selected account leaves the other out", "far", "account=APP", "APP",
			[]string{"publish allow shop.orders", "subscribe allow _INBOX_far.>"},
			"key:laptop method:apikey project:shop role:publisher",
		},
		{"a selected project decides the account, and its admin gets topics with subjects outside the project", "far", "project=moon", "OTHER", adminOf("moon", "_INBOX_far.>", "market.prices", "moon.>"), "key:laptop method:apikey project:moon role:project_admin"},
	}
	s, p := snapshotOf(t, testDirectory()), newPolicy()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := derive(t, p, s, tt.user, selection(tt.selection))
			if err != nil {
				t.Fatal(err)
			}
			if g.Account != tt.account {
				t.Errorf("account %s, want %s", g.Account, tt.account)
			}
			if got := ruleStrings(&g); !slices.Equal(got, tt.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
			if got := strings.Join(g.Tags, " "); got != tt.tags {
				t.Errorf("tags %s, want %s", got, tt.tags)
			}
			if g.InboxPrefix != "_INBOX_"+tt.user {
				t.Errorf("inbox prefix %s", g.InboxPrefix)
			}
		})
	}
}

// Without NATS Streaming, ingest is events alone.
func TestIngestWithoutStreaming(t *testing.T) {
	s, p := snapshotOf(t, testDirectory()), newPolicy()
	p.NoIngestStreaming = true
	g, err := derive(t, p, s, "hab", selection(""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := ruleStrings(&g), []string{"publish allow habitat.event.*", "subscribe allow _INBOX_hab.>"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func withPrefix(prefix string, subjects ...string) []string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = prefix + s
	}
	return out
}

func TestDenials(t *testing.T) {
	tests := []struct {
		name, user, selection string
		want                  error
	}{
		{"no role at all", "guest", "", permissions.ErrNoRole},
		{"no role, selects a project", "guest", "project=shop", permissions.ErrNotMember},
		{"no role, selects an account", "guest", "account=APP", permissions.ErrNotInAccount},
		{"roles in two accounts", "far", "", permissions.ErrAmbiguousAccount},
		{"ingest in one account, a project in another", "mix", "", permissions.ErrAmbiguousAccount},
		{"a project of others", "pia", "project=lab", permissions.ErrNotMember},
		{"a project that does not exist", "pia", "project=none", permissions.ErrNotMember},
		{"a project that does not exist, as service admin", "root", "project=none", permissions.ErrNotMember},
		{"a project called *", "pia", "project=*", permissions.ErrNotMember},
		{"a project called >", "root", "project=>", permissions.ErrNotMember},
		{"another account", "pia", "account=OTHER", permissions.ErrNotInAccount},
		{"the callout account", "pia", "account=AUTH", permissions.ErrNotInAccount},
		{"the callout account, as service admin", "root", "account=AUTH", permissions.ErrNotInAccount},
		{"the system account, as service admin", "root", "account=SYS", permissions.ErrNotInAccount},
		{"an account where the service admin has no role", "root", "account=OTHER", permissions.ErrNotInAccount},
		{"ingest selects a project", "hab", "project=edge", permissions.ErrNotMember},
	}
	s, p := snapshotOf(t, testDirectory()), newPolicy()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := derive(t, p, s, tt.user, selection(tt.selection))
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v and %v, want %v", g.Account, err, tt.want)
			}
			if len(g.Rules) > 0 {
				t.Error("a denial comes with rules")
			}
		})
	}
}

func TestAmbiguityNamesTheAccounts(t *testing.T) {
	_, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), "far", identity.Selection{})
	if err == nil || !strings.HasSuffix(err.Error(), ": APP, OTHER") {
		t.Errorf("got %v", err)
	}
}

func TestRoleWithoutAccount(t *testing.T) {
	s := snapshotOf(t, testDirectory())
	for name, role := range map[string]string{"hab": "ingest", "root": "service_admin"} {
		_, err := derive(t, &permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS"}, s, name, identity.Selection{})
		if !errors.Is(err, permissions.ErrNoAccount) || !strings.Contains(err.Error(), role) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, err := (&permissions.Policy{}).Derive(identity.Identity{Method: identity.MethodHealthCheck}, directory.Facts{})
	if !errors.Is(err, permissions.ErrNoAccount) {
		t.Errorf("health check: got %v", err)
	}
}

func TestHealthCheck(t *testing.T) {
	g, err := newPolicy().Derive(identity.Identity{Name: "usher-healthcheck", Method: identity.MethodHealthCheck}, directory.Facts{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"publish allow _INBOX_usher-healthcheck.>", "publish allow healthcheck.>",
		"subscribe allow _INBOX_usher-healthcheck.>", "subscribe allow healthcheck.>",
	}
	if got := ruleStrings(&g); !slices.Equal(got, want) || g.Account != "HEALTH" {
		t.Errorf("in %s\n%s", g.Account, strings.Join(got, "\n"))
	}
}

// The grant has the end and networks of the identity, and the connection types of the
// user.
func TestLimitsOfIdentityAndUser(t *testing.T) {
	r := testDirectory()
	r.Users[1].Limits.ConnectionTypes = []directory.ConnectionType{directory.ConnectionMQTT}
	facts, _ := snapshotOf(t, r).Facts("pia", "")
	id := identityOf("pia", identity.Selection{})
	id.NotAfter = time.Unix(1_900_000_000, 0)
	id.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	g, err := newPolicy().Derive(id, facts)
	if err != nil {
		t.Fatal(err)
	}
	if !g.NotAfter.Equal(id.NotAfter) || !reflect.DeepEqual(g.Networks, id.Networks) ||
		!slices.Equal(g.ConnectionTypes, []directory.ConnectionType{directory.ConnectionMQTT}) {
		t.Errorf("%+v", g)
	}
}

// Every rule has its origin.
func TestOrigins(t *testing.T) {
	tests := map[string][]string{
		"pia":  {"acl of topic shop/prices (role publisher)", "acl of topic shop/orders (role publisher)", "private inbox"},
		"idle": {"part of every grant", "private inbox"},
		"root": {"service role service_admin", "part of every grant", "service role service_admin", "part of every grant"},
	}
	s := snapshotOf(t, testDirectory())
	for name, want := range tests {
		g, err := derive(t, newPolicy(), s, name, identity.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range g.Rules {
			got = append(got, r.Origin.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"ann", "carl", "hab"} {
		g, err := derive(t, newPolicy(), s, name, identity.Selection{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range g.Rules {
			if r.Origin.String() == "" {
				t.Errorf("%s: %v has no origin", name, r)
			}
		}
	}
}

// Derive is pure: the same input gives the same output, and is not modified, also under
// the race detector.
func TestPure(t *testing.T) {
	s, unused, p := snapshotOf(t, testDirectory()), snapshotOf(t, testDirectory()), newPolicy()
	var wg sync.WaitGroup
	for _, u := range testDirectory().Users {
		for _, sel := range []string{"", "project=shop", "account=APP"} {
			want, wantErr := derive(t, p, unused, u.Name, selection(sel))
			for range 8 {
				wg.Go(func() {
					for range 20 {
						got, err := derive(t, p, s, u.Name, selection(sel))
						if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
							t.Errorf("%s %s: got %v %v, want %v %v", u.Name, sel, got, err, want, wantErr)
							return
						}
					}
				})
			}
		}
	}
	wg.Wait()
	for _, u := range testDirectory().Users {
		got, _ := s.Facts(u.Name, "shop")
		want, _ := unused.Facts(u.Name, "shop")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the facts of %s have changed", u.Name)
		}
	}
}

// The order of entries in a directory does not matter.
func TestOrderOfEntries(t *testing.T) {
	r := testDirectory()
	slices.Reverse(r.Users)
	slices.Reverse(r.Projects)
	for i := range r.Projects {
		slices.Reverse(r.Projects[i].Members)
		slices.Reverse(r.Projects[i].Topics)
		slices.Reverse(r.Projects[i].Subscriptions)
	}
	a, b := snapshotOf(t, testDirectory()), snapshotOf(t, r)
	for _, u := range testDirectory().Users {
		x, errX := derive(t, newPolicy(), a, u.Name, identity.Selection{})
		y, errY := derive(t, newPolicy(), b, u.Name, identity.Selection{})
		if !reflect.DeepEqual(x, y) || (errX == nil) != (errY == nil) {
			t.Errorf("%s: %v %v, and reversed %v %v", u.Name, x, errX, y, errY)
		}
	}
}
