package permissions_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server/gsl"

	"usher/directory"
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
