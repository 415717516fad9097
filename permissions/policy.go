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

// Denials of verified identities because of their roles.
var (
	// ErrNoRole: the user has no role.
	ErrNoRole = errors.New("the user has no role")
	// ErrNotMember: the user has no role in the requested project.
	ErrNotMember = errors.New("not a member of the requested project")
	// ErrNotInAccount: the user has no role in the requested account.
	ErrNotInAccount = errors.New("no role in the requested account")
	// ErrAmbiguousAccount: the user has roles in several accounts and selects none.
	ErrAmbiguousAccount = errors.New("roles in several accounts, and the client selects none")
)

// ErrNoAccount: the configuration has no account for a role. That is an error of the
// operator and not a denial.
var ErrNoAccount = errors.New("no account is configured for the role")

// Policy is the configuration of accounts.
type Policy struct {
	IngestAccount      string // of service role ingest
	AdminAccount       string // of service role service_admin, unless the client selects a project
	HealthCheckAccount string // of usher's own health check
	CalloutAccount     string // never granted
	SystemAccount      string // granted only to a role for which it is configured
	ProjectAccounts    bool   // usher itself connects into the accounts of projects
	NoIngestStreaming  bool   // the role ingest is without NATS Streaming
	Scoped             []ScopedRole
	Profiles           []Profile // of internal services
	AnyMQTTClientID    []string  // accounts in which users may have any MQTT client id

	only *ScopedRole // with Role empty: of no scope; nil: all roles count (OnlyScope)
}

// entitlement is one membership or service role of a user, or the profile of a service,
// with its account.
type entitlement struct {
	account    string
	membership *directory.Membership // nil for service roles and profiles
	role       directory.ServiceRole // empty for memberships and profiles
	profile    *Profile
	streaming  bool // of service role ingest
}

// Derive returns the grant of identity id with the directory facts f. It is a pure
// function. Errors wrap the Err values of this package.
func (p *Policy) Derive(id identity.Identity, f directory.Facts) (Grant, error) {
	return p.DeriveWithin(id, f, math.MaxInt)
}

// DeriveWithin is Derive for an answer of at most limit bytes. It returns ErrTooLarge,
// without building the grant, if the answer is certain to be larger: if Size is more
// than limit plus SizeSlack.
func (p *Policy) DeriveWithin(id identity.Identity, f directory.Facts, limit int) (Grant, error) {
	if id.Method == identity.MethodHealthCheck {
		return p.deriveHealthCheck(id)
	}
	if id.Method == identity.MethodService {
		return p.deriveService(id)
	}
	entitlements, err := p.entitlements(id.Selection, &f)
	if err != nil {
		return Grant{}, err
	}
	account, err := commonAccount(entitlements)
	if err != nil {
		return Grant{}, err
	}
	scope, err := p.scope(entitlements)
	if err == nil {
		err = p.checkSelected(&id, scope, &f)
	}
	if err == nil {
		err = checkSize(entitlements, &f, &id, account, scope, limit)
	}
	if err != nil {
		return Grant{}, err
	}
	g := newGrant(id, account)
	var b builder
	for i := range entitlements {
		p.add(&b, &g, &entitlements[i], &f)
	}
	if scope != "" {
		g.sortTags()
		if err := applyScope(&g, scope, id.Name, &f.User.Limits); err != nil {
			return Grant{}, err
		}
		return g, p.Validate(&g)
	}
	if f.Profile != "" {
		g.InboxPrefix = "" // the profile states what the client subscribes to
	} else {
		b.allow(Subscribe, g.InboxPrefix+".>", Origin{Source: SourceInbox})
	}
	if err := g.setConnectionTypes(f.User.Limits.ConnectionTypes, entitlements, &f); err != nil {
		return Grant{}, err
	}
	g.Rules = b.build()
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
	g := newGrant(id, p.HealthCheckAccount)
	var b builder
	addHealthCheck(&b, g.InboxPrefix)
	g.ConnectionTypes = enforcedTypes()
	g.Tags = append(g.Tags, tagRole+profileHealthCheck)
	g.Rules = b.build()
	return g, p.Validate(&g)
}

// deriveService gives usher itself the account that its token names.
func (p *Policy) deriveService(id identity.Identity) (Grant, error) {
	account := id.Selection.Account
	if account == "" || account == p.CalloutAccount || account == p.SystemAccount {
		return Grant{}, fmt.Errorf("%w: %q", ErrNotInAccount, account)
	}
	g := newGrant(id, account)
	var b builder
	addService(&b)
	g.ConnectionTypes = enforcedTypes()
	g.Tags = append(g.Tags, tagRole+profileService)
	g.Rules = b.build()
	return g, p.Validate(&g)
}

func newGrant(id identity.Identity, account string) Grant {
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

// entitlements lists the memberships and service roles of a user, or the profile of a
// service, within a selection.
// With a selected project these are the roles in that project. A service_admin who
// selects a project gets all of its account instead.
func (p *Policy) entitlements(sel identity.Selection, f *directory.Facts) ([]entitlement, error) {
	var entitlements []entitlement
	asAdmin := f.Selected != nil && f.HasServiceRole(directory.ServiceRoleAdmin)
	for i := range f.Memberships {
		m := &f.Memberships[i]
		if sel.Project == "" || sel.Project == m.Project.Name && !asAdmin {
			entitlements = append(entitlements, entitlement{account: m.Project.Account, membership: m})
		}
	}
	if f.HasServiceRole(directory.ServiceRoleAdmin) {
		switch {
		case sel.Project == "":
			entitlements = append(entitlements, entitlement{account: p.AdminAccount, role: directory.ServiceRoleAdmin})
		case f.Selected != nil:
			entitlements = append(entitlements, entitlement{account: f.Selected.Account, role: directory.ServiceRoleAdmin})
		}
	}
	if f.HasServiceRole(directory.ServiceRoleIngest) && sel.Project == "" {
		entitlements = append(entitlements, entitlement{account: p.IngestAccount, role: directory.ServiceRoleIngest, streaming: !p.NoIngestStreaming})
	}
	if f.Profile != "" {
		profile, err := p.profile(f.Profile)
		if err != nil {
			return nil, err
		}
		if sel.Project == "" {
			entitlements = append(entitlements, entitlement{account: profile.Account, profile: profile})
		}
	}
	if sel.Account != "" {
		entitlements = slices.DeleteFunc(entitlements, func(x entitlement) bool { return x.account != sel.Account })
	}
	if p.only != nil {
		entitlements = p.ofScope(entitlements)
	}
	switch {
	case len(entitlements) > 0:
		return entitlements, nil
	case sel.Project != "":
		return nil, fmt.Errorf("%w: %q", ErrNotMember, sel.Project)
	case sel.Account != "":
		return nil, fmt.Errorf("%w: %q", ErrNotInAccount, sel.Account)
	default:
		return nil, ErrNoRole
	}
}

// commonAccount returns the account of all entitlements, or an error if they differ.
func commonAccount(entitlements []entitlement) (string, error) {
	account := entitlements[0].account
	for i := range entitlements {
		if entitlements[i].account == "" {
			return "", fmt.Errorf("service role %s: %w", entitlements[i].role, ErrNoAccount)
		}
		if entitlements[i].account != account {
			return "", fmt.Errorf("%w: %s", ErrAmbiguousAccount, strings.Join(accounts(entitlements), ", "))
		}
	}
	return account, nil
}

func accounts(entitlements []entitlement) []string {
	var names []string
	for i := range entitlements {
		names = append(names, entitlements[i].account)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// add adds the rules and tags of an entitlement.
func (p *Policy) add(b *builder, g *Grant, x *entitlement, f *directory.Facts) {
	switch {
	case x.membership != nil:
		addMembership(b, x.membership, f)
		g.Tags = append(g.Tags, tagProject+x.membership.Project.Name)
		for _, r := range x.membership.Roles {
			g.Tags = append(g.Tags, tagRole+string(r))
		}
	case x.profile != nil:
		addProfile(b, x.profile)
		g.Tags = append(g.Tags, tagProfile+x.profile.Name)
	case x.role == directory.ServiceRoleAdmin:
		addServiceAdmin(b)
		g.Tags = append(g.Tags, tagRole+string(x.role))
	case x.role == directory.ServiceRoleIngest:
		addIngest(b, x.streaming)
		g.Tags = append(g.Tags, tagRole+string(x.role))
	}
}
