package permissions_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/gsl"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/permissions"
)

// fuzzSource makes choices from fuzz bytes; when they run out, it makes the first choice.
type fuzzSource struct{ data []byte }

func (d *fuzzSource) choose(n int) int {
	if len(d.data) == 0 {
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % n
}

func pick[T any](d *fuzzSource, from []T) T { return from[d.choose(len(from))] }

func some[T any](d *fuzzSource, from []T) []T {
	var out []T
	mask := d.choose(256)
	for i, v := range from {
		if mask>>(i%8)&1 == 1 {
			out = append(out, v)
		}
	}
	return out
}

var (
	fuzzProjects = []string{"shop", "lab", "NEXT", "GET", "habitats", "health", "event", "CREATE"}
	fuzzTopics   = []string{"orders", "event", "MSG", "NEXT", "shop", "INFO"}
	fuzzSubs     = []string{"reader", "NEXT", "lab", "GET"}
	fuzzAccounts = []string{"APP", "OTHER", "OWN"}
	fuzzUsers    = []string{"ann", "pia", "carl", "hab", "root", "all"}
	fuzzSubjects = []string{
		"", "", "market.prices", "habitat.event.x", "healthcheck.y", "JS.API.INFO", "orders", "a.b.c.d.e", "SYS.REQ.USER.AUTH", "NEXT.orders",
	}
)

// build makes a directory from fuzz bytes. The directory may be invalid.
func build(data []byte) (directory.Records, *permissions.Policy) {
	d := &fuzzSource{data}
	r := directory.Records{}
	for _, name := range fuzzUsers {
		r.Users = append(r.Users, user(name, some(d, directory.ServiceRoles())...))
	}
	for _, name := range some(d, fuzzProjects) {
		p := directory.Project{Name: name, Account: pick(d, fuzzAccounts)}
		var members []string
		for _, u := range some(d, fuzzUsers) {
			if roles := some(d, directory.Roles()); len(roles) > 0 {
				p.Members = append(p.Members, member(u, roles...))
				members = append(members, u)
			}
		}
		for _, topic := range some(d, fuzzTopics) {
			subject := pick(d, fuzzSubjects)
			if subject != "" && p.Account != "OWN" { // in a shared account such a subject would be refused
				subject = name + "." + subject
			}
			p.Topics = append(p.Topics, directory.Topic{Name: topic, Subject: subject, ACL: some(d, members)})
		}
		if len(p.Topics) > 0 {
			for _, sub := range some(d, fuzzSubs) {
				p.Subscriptions = append(p.Subscriptions, directory.Subscription{Name: sub, Topic: p.Topics[0].Name, ACL: some(d, members)})
			}
		}
		r.Projects = append(r.Projects, p)
	}
	accounts := []string{"APP", "OTHER", "THIRD"}
	p := &permissions.Policy{
		AdminAccount: pick(d, accounts), IngestAccount: pick(d, accounts), CalloutAccount: "AUTH", SystemAccount: "SYS",
	}
	if d.choose(3) == 1 {
		p.Scoped = some(d, fuzzScoped)
	}
	return r, p
}

// fuzzScoped lists the roles that may have a scoped signing key.
var fuzzScoped = []permissions.ScopedRole{
	{Account: "APP", Role: "publisher"},
	{Account: "APP", Role: "service_admin"},
	{Account: "OTHER", Role: "project_admin"},
	{Account: "THIRD", Role: "ingest"},
	{Account: "APP", Role: "consumer"},
}

// expected is what a user may do according to docs/reference/permissions.md, computed without the
// package under test.
type expected struct {
	accounts map[string]bool // of all roles
	scopes   map[string]bool // of all roles; empty: a role without a scope
	pub, sub []string
}

func expectedFor(r *directory.Records, p *permissions.Policy, name string, sel identity.Selection) expected {
	s := expected{accounts: map[string]bool{}, scopes: map[string]bool{}}
	add := func(account string, roles ...string) bool {
		if sel.Account != "" && sel.Account != account {
			return false
		}
		s.accounts[account] = true
		for _, role := range roles {
			if !slices.Contains(p.Scoped, permissions.ScopedRole{Account: account, Role: role}) {
				role = ""
			}
			s.scopes[role] = true
		}
		return true
	}
	var roles []directory.ServiceRole
	for _, u := range r.Users {
		if u.Name == name {
			roles = u.ServiceRoles
		}
	}
	admin, hasIngest := slices.Contains(roles, directory.ServiceRoleAdmin), slices.Contains(roles, directory.ServiceRoleIngest)
	if admin && sel.Project == "" && add(p.AdminAccount, "service_admin") {
		s.pub, s.sub = append(s.pub, ">"), append(s.sub, ">")
	}
	if hasIngest && sel.Project == "" && add(p.IngestAccount, "ingest") {
		s.pub = append(s.pub, "_INBOX.>", "_HB.>", "_STAN.discover.event-service", "_STAN.discover.event-service.*",
			"_STAN.pub.*.habitat", "_STAN.close.*", "habitat.event.*")
		s.sub = append(s.sub, "_INBOX.>", "_STAN.acks.>", "_HB.>", "_STAN.discover.event-service.*")
	}
	for i := range r.Projects {
		project := &r.Projects[i]
		if sel.Project != "" && sel.Project != project.Name {
			continue
		}
		if sel.Project != "" && admin && add(project.Account, "service_admin") {
			s.pub, s.sub = append(s.pub, ">"), append(s.sub, ">")
		}
		alone := !slices.ContainsFunc(r.Projects, func(p directory.Project) bool { return p.Account == project.Account && p.Name != project.Name })
		for _, m := range project.Members {
			if admin && sel.Project != "" {
				continue // it has the whole account
			}
			if m.User == name && add(project.Account, roleNames(m.Roles)...) {
				s.member(project, m, alone)
			}
		}
	}
	s.sub = append(s.sub, "_INBOX_"+name+".>")
	return s
}

func (s *expected) member(p *directory.Project, m directory.Member, alone bool) {
	admin := slices.Contains(m.Roles, directory.RoleProjectAdmin)
	if admin {
		s.pub, s.sub = append(s.pub, p.Name+".>"), append(s.sub, p.Name+".>")
		for _, call := range []string{
			"STREAM.INFO.%s", "STREAM.PURGE.%s", "STREAM.MSG.GET.%s", "STREAM.MSG.DELETE.%s",
			"CONSUMER.LIST.%s", "CONSUMER.NAMES.%s", "CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.*", "CONSUMER.DURABLE.CREATE.%s.*",
			"CONSUMER.INFO.%s.*", "CONSUMER.DELETE.%s.*", "CONSUMER.PAUSE.%s.*", "CONSUMER.MSG.NEXT.%s.*",
		} {
			s.pub = append(s.pub, "$JS.API."+fmt.Sprintf(call, p.Name))
		}
		for tokens := 1; tokens <= 16; tokens++ {
			filter := strings.Repeat(".*", tokens)
			s.pub = append(s.pub, "$JS.API.CONSUMER.CREATE."+p.Name+".*"+filter)
			if alone {
				s.pub = append(s.pub, "$JS.API.DIRECT.GET."+p.Name, "$JS.API.DIRECT.GET."+p.Name+filter)
			}
		}
		s.pub = append(s.pub, "$JS.ACK."+p.Name+".*.*.*.*.*.*", "$JS.FC."+p.Name+".*.*")
	}
	for _, t := range p.Topics {
		subject := t.Subject
		if subject == "" {
			subject = p.Name + "." + t.Name
		}
		if admin {
			s.sub = append(s.sub, subject)
		}
		if admin || slices.Contains(m.Roles, directory.RolePublisher) && slices.Contains(t.ACL, m.User) {
			s.pub = append(s.pub, subject)
		}
	}
	for _, c := range p.Subscriptions {
		if slices.Contains(m.Roles, directory.RoleConsumer) && slices.Contains(c.ACL, m.User) {
			s.pub = append(s.pub, "$JS.API.CONSUMER.INFO."+p.Name+"."+c.Name,
				"$JS.API.CONSUMER.MSG.NEXT."+p.Name+"."+c.Name, "$JS.ACK."+p.Name+"."+c.Name+".*.*.*.*.*")
		}
	}
}

// fuzzProbes are subjects that a client may try: topics, streams and inboxes of every
// user, and subjects of NATS itself.
var fuzzProbes = func() []string {
	out := []string{
		"$SYS.REQ.USER.AUTH", "$SYS.REQ.USER.INFO", "$SYS.ACCOUNT.APP.CONNECT", "$SYS.REQ.SERVER.PING", "$JS.API.INFO", "$JS.API.STREAM.NAMES",
		"$JS.API.STREAM.LIST", "$JS.hub.API.STREAM.INFO.shop", "$KV.shop.k", "$MQTT.sub.x", "$SRV.PING", "_INBOX.a", "_INBOX.a.b", "_INBOX_", "_HB.x",
		"_STAN.acks.a", "_STAN.close.a", "_STAN.pub.a.habitat", "_STAN.pub.a.b", "_STAN.sub.a", "_STAN.discover.event-service",
		"_STAN.discover.event-service.a", "_STAN.discover.event-service.a.b", "habitat.event.a.b", "other.topic", "x",
	}
	for _, u := range fuzzUsers {
		out = append(out, "_INBOX_"+u, "_INBOX_"+u+".a", "_INBOX_"+u+".a.b", "_INBOX_"+u+"x.a")
	}
	for _, p := range append([]string{"victim"}, fuzzProjects...) {
		out = append(out, p, p+".x", p+".x.y")
		for _, topic := range fuzzTopics {
			out = append(out, p+"."+topic, p+"."+topic+".x")
		}
		for _, c := range append([]string{"victim"}, fuzzSubs...) {
			out = append(out, apiSubjects(p, c)...)
		}
	}
	for _, s := range fuzzSubjects {
		if s != "" {
			out = append(out, s, s+".x")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}()

// matcher matches subjects with the code of nats-server.
func matcher(t *testing.T, subjects []string) func(subject string) bool {
	t.Helper()
	l := gsl.NewSublist[int]()
	for i, s := range subjects {
		if err := l.Insert(s, i); err != nil {
			t.Fatalf("nats-server refuses %q: %v", s, err)
		}
	}
	return l.HasInterest
}

// FuzzDerive: a grant gives exactly what the directory says, whatever it says.
func FuzzDerive(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0, 0, 0, 0, 3, 0, 255, 0, 63, 1, 2, 4, 7, 1, 2, 63, 2, 3, 4, 5, 6, 7, 8, 9, 15, 255, 255})
	f.Add([]byte("\x00\x01\x02\x03\x00\x01\xff\x01\xff\x07\x07\x07\x07\x07\x07\xff\x01\x01\x02\x01\x03\x01\x04\x01\x05\x01\x06\x01\x07\x01"))
	f.Add([]byte(strings.Repeat("\x03\xff\x01\x07\x02\x0f", 40)))
	f.Add([]byte(strings.Repeat("\xff\x00\x3f\x02\x05\x01\x00\xff", 60)))
	f.Fuzz(func(t *testing.T, data []byte) { checkDerive(t, data) })
}

// TestDeriveRandom runs the same check on random directories, of which enough are valid
// and not empty.
func TestDeriveRandom(t *testing.T) {
	random, granted := rand.NewChaCha8([32]byte{1}), 0
	for range 60 {
		data := make([]byte, 160)
		if _, err := random.Read(data); err != nil {
			t.Fatal(err)
		}
		granted += checkDerive(t, data)
	}
	if granted < 100 {
		t.Errorf("only %d grants in 60 directories", granted)
	}
}

// checkDerive compares every grant of a directory with the expected one, and returns the
// number of grants.
func checkDerive(t *testing.T, data []byte) (granted int) {
	t.Helper()
	records, p := build(data)
	raw, _ := build(data)
	s, err := snapshot.New(records)
	if err != nil {
		return 0 // an invalid directory grants nothing
	}
	selections := []string{"", "account=APP", "account=OTHER", "project=" + fuzzProjects[0], "project=NEXT", "project=none"}
	for _, name := range fuzzUsers {
		for _, sel := range selections {
			g, err := derive(t, p, s, name, selection(sel))
			want := expectedFor(&raw, p, name, selection(sel))
			if len(want.accounts) != 1 || len(want.scopes) > 1 {
				if err == nil {
					t.Fatalf("%s %s: granted %s, want accounts %v, scopes %v", name, sel, g.Account, want.accounts, want.scopes)
				}
				continue
			}
			if err != nil || !want.accounts[g.Account] {
				t.Fatalf("%s %s: %v in %s, want %v", name, sel, err, g.Account, want.accounts)
			}
			granted++
			if !want.scopes[g.Scope] {
				t.Fatalf("%s %s: scope %q, want %v", name, sel, g.Scope, want.scopes)
			}
			if g.Scope == "" {
				compare(t, name+" "+sel, &g, want)
			} else {
				compareScoped(t, name, &g)
			}
			if again, _ := derive(t, p, s, name, selection(sel)); !reflect.DeepEqual(g, again) {
				t.Fatalf("%s %s: two calls differ", name, sel)
			}
		}
	}
	return granted
}

func compare(t *testing.T, who string, g *permissions.Grant, want expected) {
	t.Helper()
	for side, subjects := range map[permissions.Side][]string{permissions.Publish: want.pub, permissions.Subscribe: want.sub} {
		if !slices.IsSorted(ruleStrings(g)) {
			t.Fatalf("%s: not sorted", who)
		}
		allow, deny := g.Subjects(side, permissions.Allow), g.Subjects(side, permissions.Deny)
		if len(allow)+len(deny) == 0 {
			t.Fatalf("%s: no rule for the %s side", who, side)
		}
		allows, denies, expects := matcher(t, allow), matcher(t, deny), matcher(t, subjects)
		for _, probe := range fuzzProbes {
			granted, want := allows(probe) && !denies(probe), expects(probe) && probe != auth
			if granted != want {
				t.Fatalf("%s: %s %s is %v, want %v", who, side, probe, granted, want)
			}
			if g.Check(side, probe).Allowed != granted {
				t.Fatalf("%s: Check disagrees on %s %s", who, side, probe)
			}
		}
		// No granted wildcard matches more than an expected one.
		for _, s := range allow {
			if !slices.ContainsFunc(subjects, func(w string) bool { return server.SubjectMatchesFilter(s, w) }) {
				t.Fatalf("%s: %s %s is not expected", who, side, s)
			}
		}
	}
}

// compareScoped checks that a grant with a scope has no rules or limits, and that the
// template gets single tokens.
func compareScoped(t *testing.T, name string, g *permissions.Grant) {
	t.Helper()
	if len(g.Rules) > 0 || len(g.ConnectionTypes) > 0 || len(g.Networks) > 0 {
		t.Fatalf("%s: has %+v with scope %s", name, g, g.Scope)
	}
	values := []string{name}
	for _, tag := range g.Tags {
		_, value, _ := strings.Cut(tag, ":")
		values = append(values, value)
	}
	for _, v := range values {
		if filled := strings.ReplaceAll("a.{{x}}.b", "{{x}}", v); !server.IsValidLiteralSubject(filled) || strings.Count(filled, ".") != 2 {
			t.Fatalf("%s: a template makes %q of %q", name, filled, v)
		}
	}
}

// FuzzScoped: an identity with a scope is denied, or its name and key id are single
// tokens; a granted name is also valid when the user JWT is issued.
func FuzzScoped(f *testing.F) {
	for _, s := range [][2]string{
		{"pia", "laptop"},
		{"*", "laptop"},
		{">", ""},
		{"a.b", "c"},
		{"", "x"},
		{"Pia", "Key_1"},
		{"pia", "a b"},
		{"{{tag(project)}}", "x"},
		{"pia", "{{name()}}"},
		{"pia", "x:y"},
		{"pia", ":"},
		{"p\u00efa", "\u00a0"},
		{"\xff", "\x00"},
		{"pia", ">"},
		{"}}", "{{"},
		{"pia\r\n", "x"},
		{"*a", "a*"},
	} {
		f.Add(s[0], s[1])
	}
	s := snapshotOf(f, testDirectory())
	facts, _ := s.Facts("pia", "")
	p := newPolicy()
	p.Scoped = []permissions.ScopedRole{{Account: "APP", Role: "publisher"}}
	f.Fuzz(func(t *testing.T, name, keyID string) {
		id := identityOf(name, identity.Selection{})
		id.KeyID = keyID
		g, err := p.Derive(id, facts)
		if err != nil {
			if !errors.Is(err, permissions.ErrNotOneToken) || errors.Is(err, permissions.ErrInvariant) {
				t.Fatalf("%q, key %q: %v", name, keyID, err)
			}
			return
		}
		if g.Scope != "publisher" || p.Validate(&g) != nil || permissions.ValidateName(&g, name) != nil {
			t.Fatalf("%q, key %q: %+v", name, keyID, g)
		}
		compareScoped(t, name, &g)
	})
}

// FuzzSubjects: this package and nats-server agree on subjects.
func FuzzSubjects(f *testing.F) {
	for _, pair := range [][2]string{
		{"a.b", "a.b"},
		{"a.*", "a.b"},
		{"a.>", "a.b.c"},
		{">", "*"},
		{"*.b.>", "a.*.c"},
		{"a.>", "a"},
		{"*", ">"},
		{"a.*", "a.>"},
		{"a*.b", "a.b>"},
		{"*.*.*.*", auth},
		{"a\u00a0b", "a"},
		{"", "."},
		{"a..b", ">.a"},
		{"\xff", "\ufffd"},
		{"*.>", "*"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, s := range []string{a, b} {
			if permissions.ValidSubject(s) && !server.IsValidSubject(s) {
				t.Fatalf("%q is a subject here, but not for nats-server", s)
			}
			if permissions.ValidSubject(s) && len(strings.Fields(s)) != 1 {
				t.Fatalf("nats-server splits %q", s)
			}
			if permissions.HasWildcard(s) && server.IsValidLiteralSubject(s) {
				t.Fatalf("%q has a wildcard here, but not for nats-server", s)
			}
		}
		if !permissions.ValidSubject(a) || !permissions.ValidSubject(b) || oddStar(a) || oddStar(b) {
			return
		}
		if got, want := permissions.Overlaps(a, b), server.SubjectsCollide(a, b); got != want {
			t.Fatalf("Overlaps(%q, %q) is %v, nats-server says %v", a, b, got, want)
		}
		if permissions.Overlaps(a, b) != permissions.Overlaps(b, a) {
			t.Fatalf("Overlaps(%q, %q) depends on the order", a, b)
		}
		if got, want := permissions.Covers(a, b), server.SubjectMatchesFilter(b, a); got != want {
			t.Fatalf("Covers(%q, %q) is %v, nats-server says %v", a, b, got, want)
		}
		if !permissions.HasWildcard(b) && permissions.Covers(a, b) != matcher(t, []string{a})(b) {
			t.Fatalf("Covers(%q, %q) disagrees with delivery", a, b)
		}
		if permissions.Covers(a, b) && !permissions.Overlaps(a, b) {
			t.Fatalf("Covers(%q, %q) without Overlaps", a, b)
		}
	})
}

// oddStar reports a token such as "*a": nats-server's SubjectsCollide treats it as a
// wildcard because of its first character, but message delivery does not.
func oddStar(s string) bool {
	for token := range strings.SplitSeq(s, ".") {
		if len(token) > 1 && (token[0] == '*' || token[0] == '>') {
			return true
		}
	}
	return false
}
