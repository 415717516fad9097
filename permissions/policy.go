package permissions

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"usher/directory"
	"usher/identity"
)

// Denials: the identity is known, and what it asks for is definitely not its.
var (
	ErrNoRole           = errors.New("no role gives this user anything")
	ErrNotMember        = errors.New("not a member of the project that was asked for")
	ErrNotInAccount     = errors.New("no role in the account that was asked for")
	ErrAmbiguousAccount = errors.New("roles in several accounts, and none was asked for")
)

// ErrNoAccount: a role is bound to no account by the configuration. That is the
// operator's fault and not a denial.
var ErrNoAccount = errors.New("no account is configured for the role")

// Policy holds what the configuration says of accounts.
type Policy struct {
	IngestAccount      string // where service role ingest lands
	AdminAccount       string // where service role service_admin lands when it asks for nothing else
	HealthCheckAccount string // where usher's own health check lands
	CalloutAccount     string // never granted
	SystemAccount      string // granted only to a role that configuration binds to it
	Scoped             []ScopedRole
	AnyMQTTClientID    []string // accounts in which MQTT client ids are not bound to users
}

// part is one reason to land in an account.
type part struct {
	account    string
	membership *directory.Membership // nil for service roles
	role       directory.ServiceRole // empty for memberships
}

// Derive returns what identity id, of which the directory says f, may do. It is
// a pure function. Errors are the Err values of this package, with details.
func (p *Policy) Derive(id identity.Identity, f directory.Facts) (Grant, error) {
	return p.DeriveWithin(id, f, math.MaxInt)
}

// DeriveWithin is Derive for an answer of at most limit bytes. The error is
// ErrTooLarge if it is certain to be larger: if Size says more than limit and
// SizeSlack. Nothing of the grant is made then.
func (p *Policy) DeriveWithin(id identity.Identity, f directory.Facts, limit int) (Grant, error) {
	if id.Method == identity.MethodHealthCheck {
		return p.deriveHealthCheck(id)
	}
	parts, err := p.parts(id.Selection, &f)
	if err != nil {
		return Grant{}, err
	}
	account, err := oneAccount(parts)
	if err != nil {
		return Grant{}, err
	}
	scope, err := p.scope(parts)
	if err == nil {
		err = p.checkSelected(&id, scope, &f)
	}
	if err == nil {
		err = fits(parts, &f, &id, account, scope, limit)
	}
	if err != nil {
		return Grant{}, err
	}
	g := grantFor(id, account)
	var b builder
	for i := range parts {
		p.add(&b, &g, &parts[i], &f)
	}
	if scope != "" {
		g.sortTags()
		if err := scoped(&g, scope, id.Name, &f.User.Limits); err != nil {
			return Grant{}, err
		}
		return g, p.Validate(&g)
	}
	b.allow(Subscribe, g.InboxPrefix+".>", Origin{Source: SourceInbox})
	if err := g.limitTypes(f.User.Limits.ConnectionTypes, parts, &f); err != nil {
		return Grant{}, err
	}
	g.Rules = b.finish()
	g.sortTags()
	return g, p.Validate(&g)
}

func (g *Grant) sortTags() {
	slices.Sort(g.Tags)
	g.Tags = slices.Compact(g.Tags)
}

func (p *Policy) deriveHealthCheck(id identity.Identity) (Grant, error) {
	if p.HealthCheckAccount == "" {
		return Grant{}, fmt.Errorf("profile %s: %w", profileHealthCheck, ErrNoAccount)
	}
	g := grantFor(id, p.HealthCheckAccount)
	var b builder
	healthCheck(&b, g.InboxPrefix)
	g.ConnectionTypes = enforced()
	g.Tags = append(g.Tags, "role:"+profileHealthCheck)
	g.Rules = b.finish()
	return g, p.Validate(&g)
}

func grantFor(id identity.Identity, account string) Grant {
	g := Grant{
		Account:     account,
		InboxPrefix: InboxPrefix(id.Name),
		Networks:    id.Networks,
		NotAfter:    id.NotAfter,
		Tags:        make([]string, 0, 6),
	}
	g.Tags = append(g.Tags, "method:"+string(id.Method))
	if id.KeyID != "" {
		g.Tags = append(g.Tags, "key:"+id.KeyID)
	}
	return g
}

// parts lists what gives the user something, as far as the selection lets it. What
// asks for a project gets what it has by that project alone; a service_admin has all
// of its account, and nothing by being a member too.
func (p *Policy) parts(sel identity.Selection, f *directory.Facts) ([]part, error) {
	var parts []part
	all := f.Selected != nil && f.HasServiceRole(directory.ServiceRoleAdmin)
	for i := range f.Memberships {
		m := &f.Memberships[i]
		if sel.Project == "" || sel.Project == m.Project.Name && !all {
			parts = append(parts, part{account: m.Project.Account, membership: m})
		}
	}
	if f.HasServiceRole(directory.ServiceRoleAdmin) {
		switch {
		case sel.Project == "":
			parts = append(parts, part{account: p.AdminAccount, role: directory.ServiceRoleAdmin})
		case f.Selected != nil:
			parts = append(parts, part{account: f.Selected.Account, role: directory.ServiceRoleAdmin})
		}
	}
	if f.HasServiceRole(directory.ServiceRoleIngest) && sel.Project == "" {
		parts = append(parts, part{account: p.IngestAccount, role: directory.ServiceRoleIngest})
	}
	if sel.Account != "" {
		parts = slices.DeleteFunc(parts, func(x part) bool { return x.account != sel.Account })
	}
	switch {
	case len(parts) > 0:
		return parts, nil
	case sel.Project != "":
		return nil, fmt.Errorf("%w: %q", ErrNotMember, sel.Project)
	case sel.Account != "":
		return nil, fmt.Errorf("%w: %q", ErrNotInAccount, sel.Account)
	default:
		return nil, ErrNoRole
	}
}

// oneAccount returns the account of all parts, or says why there is none.
func oneAccount(parts []part) (string, error) {
	account := parts[0].account
	for i := range parts {
		if parts[i].account == "" {
			return "", fmt.Errorf("service role %s: %w", parts[i].role, ErrNoAccount)
		}
		if parts[i].account != account {
			return "", fmt.Errorf("%w: %s", ErrAmbiguousAccount, strings.Join(accounts(parts), ", "))
		}
	}
	return account, nil
}

func accounts(parts []part) []string {
	var names []string
	for i := range parts {
		names = append(names, parts[i].account)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *Policy) add(b *builder, g *Grant, x *part, f *directory.Facts) {
	switch {
	case x.membership != nil:
		membership(b, x.membership, f)
		g.Tags = append(g.Tags, "project:"+x.membership.Project.Name)
		for _, r := range x.membership.Roles {
			g.Tags = append(g.Tags, "role:"+string(r))
		}
	case x.role == directory.ServiceRoleAdmin:
		serviceAdmin(b)
		g.Tags = append(g.Tags, "role:"+string(x.role))
	case x.role == directory.ServiceRoleIngest:
		ingest(b)
		g.Tags = append(g.Tags, "role:"+string(x.role))
	}
}
