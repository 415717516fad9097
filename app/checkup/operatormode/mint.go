package operatormode

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"usher/internal/fault"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/app/assembly"
	"usher/app/config"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/issuer/operator"
	"usher/permissions"
)

const (
	mintName    = "usher-check"   // of an identity that is made up
	MintTimeout = 5 * time.Second // a signing key may be a program
	SealedBytes = 44              // what sealing adds: a mark, a nonce and a tag
)

// Example is a grant that somebody would get.
type Example struct {
	Id    identity.Identity
	Grant permissions.Grant
	Who   string
	Acls  bool // it is smaller with fewer ACL entries
}

func (e *Example) Size() int {
	n := 0
	for i := range e.Grant.Rules {
		n += len(e.Grant.Rules[i].Subject)
	}
	return n
}

// Examples returns the largest grant of every account and scope that somebody can
// land in.
func Examples(cfg *config.Config, snapshot *snapshot.Snapshot) []Example {
	policy := assembly.Policy(cfg)
	largest := map[issuer.Place]Example{}
	try := func(who string, id identity.Identity, facts directory.Facts) {
		g, err := policy.Derive(id, facts)
		if err != nil {
			return // such a user is denied, or not answered for a reason that is none of the JWTs
		}
		g.Connection = inClient()
		if types := g.ConnectionTypes; len(types) > 0 { // one by which the user may come
			g.Connection.Types = []string{string(types[0])}
		}
		e := Example{Id: id, Grant: g, Who: who, Acls: ByACLs(&facts)}
		place := issuer.Place{Account: g.Account, Scope: g.Scope}
		if was, there := largest[place]; !there || was.Size() < e.Size() {
			largest[place] = e
		}
	}
	try("the health check", identity.Identity{Name: mintName, Method: identity.MethodHealthCheck}, directory.Facts{})
	for _, role := range directory.ServiceRoles() {
		user := &directory.User{Name: mintName, ServiceRoles: []directory.ServiceRole{role}}
		try("service role "+string(role), identity.Identity{Name: mintName, Method: identity.MethodAPIKey}, directory.Facts{User: user})
	}
	if snapshot != nil {
		tryUsers(snapshot, try)
	}
	for _, r := range policy.Scoped { // a scope that nobody has yet
		place := issuer.Place{Account: r.Account, Scope: r.Role}
		if _, there := largest[place]; !there {
			g := permissions.Grant{Account: r.Account, Scope: r.Role, Tags: []string{"project:" + mintName, "role:" + r.Role}, Connection: inClient()}
			largest[place] = Example{Id: identity.Identity{Name: mintName}, Grant: g, Who: "role " + r.Role}
		}
	}
	return slices.SortedFunc(maps.Values(largest), func(a, b Example) int {
		return cmp.Or(cmp.Compare(a.Grant.Account, b.Grant.Account), cmp.Compare(a.Grant.Scope, b.Grant.Scope))
	})
}

// tryUsers calls try for every user with a role in a project, and for a service
// admin in every project if there is one.
func tryUsers(s *snapshot.Snapshot, try func(who string, id identity.Identity, facts directory.Facts)) {
	type stay struct{ user, account string }
	seen := map[stay]bool{}
	admin, admins := s.FirstWithServiceRole(directory.ServiceRoleAdmin)
	one := func(user string, sel identity.Selection) {
		facts, ok := s.Facts(user, sel.Project)
		if ok {
			try("user "+user, identity.Identity{Name: user, Method: identity.MethodAPIKey, Selection: sel}, facts)
		}
	}
	for _, p := range assembly.SortedProjects(s) {
		for member := range s.Members(p.Name) {
			one(member.Name, identity.Selection{Project: p.Name})
			if all := (stay{member.Name, p.Account}); !seen[all] {
				seen[all] = true
				one(member.Name, identity.Selection{Account: p.Account})
			}
		}
		if admins {
			one(admin, identity.Selection{Project: p.Name})
		}
	}
}

// userJWTs makes what usher would answer, and judges it as a server would.
func (o *Check) userJWTs(ctx context.Context) {
	a := o.called(o.Cfg.Accounts.Callout)
	signers, ok := o.keys.For(a.public)
	if a.claims == nil || !ok {
		return
	}
	if o.offline && SignsElsewhere(o.keys) {
		o.OK("user jwt", "", "not checked offline: a program signs")
		return
	}
	view := &operator.View{Callout: a.claims, Strict: o.strict(), MaxPayload: o.maxPayload, Account: func(public string) *jwt.AccountClaims {
		if found := o.find(public); found != nil && !found.missing {
			return found.claims
		}
		return nil
	}}
	if n := a.claims.Limits.Payload; n > 0 {
		view.MaxPayload = min(view.MaxPayload, n)
	}
	if a.claims.Authorization.XKey != "" {
		view.Overhead = SealedBytes
	}
	mint := issuer.New(issuer.Config{
		Policy: assembly.Policy(o.Cfg), MaxLifetime: o.Cfg.UserJWT.MaxLifetime,
		Now: func() time.Time { return o.now }, Random: func() float64 { return 0 },
	})
	for _, e := range Examples(o.Cfg, o.snapshot) {
		o.userJWT(ctx, mint, signers, view, &e)
	}
}

// SignsElsewhere reports whether a program signs for any key that is in use.
func SignsElsewhere(keys *issuer.Keyring) bool {
	return slices.ContainsFunc(keys.Keys(), func(k issuer.Key) bool { return len(k.Command) > 0 && k.State == issuer.StateActive })
}

func (o *Check) userJWT(ctx context.Context, mint *issuer.Issuer, signers *issuer.Signers, view *operator.View, e *Example) {
	const check = "user jwt"
	place := issuer.Place{Account: e.Grant.Account, Scope: e.Grant.Scope}
	to, err := MadeUp()
	if err != nil {
		o.Fail(fault.Runtime, check, place.String(), "", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, MintTimeout)
	defer cancel()
	response, _, err := mint.Issue(ctx, signers, to, e.Id, &e.Grant)
	switch {
	case errors.Is(err, issuer.ErrNoSigningKey):
		with, what := "account: "+place.Account, assembly.MissingKey(o.keys, place)
		if place.Scope != "" {
			with += " and scope: " + place.Scope
		}
		o.Fail(fault.Config, check, place.String(), addKey(place, "PUBLIC_KEY")+o.pushed(place.Account)+"; then add its seed to the keyring, active, with "+with,
			"the keyring has no active %s for %s: usher does not answer %s", what, place, e.Who)
		return
	case err != nil:
		o.Fail(fault.Config, check, place.String(), "correct the keyring or the signing program", "cannot sign the answer for %s: %v", e.Who, err)
		return
	}
	if _, err := view.CheckResponse(string(response)); err != nil {
		if errors.Is(err, operator.ErrNoAccount) && !o.unknown(e.Grant.Account) {
			return // nothing is known of the account, and that is said
		}
		if o.called(place.Account).wrong {
			return // that it is another account is said, and all else follows from that
		}
		o.Fail(fault.Config, check, place.String(), o.refusedHint(err, e), "servers would refuse the user JWT of %s: %v", e.Who, err)
		return
	}
	o.OK(check, place.String(), "servers would accept the user JWT of %s, %d bytes", e.Who, len(response))
}

// unknown reports whether servers were asked for an account and have none.
func (o *Check) unknown(name string) bool {
	i := slices.IndexFunc(o.accounts, func(a *accountCheck) bool { return a.name == name })
	return i >= 0 && o.accounts[i].missing
}

// MadeUp returns a recipient that no server waits for.
func MadeUp() (issuer.Recipient, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return issuer.Recipient{}, err
	}
	server, err := nkeys.CreateServer()
	if err != nil {
		return issuer.Recipient{}, err
	}
	var to issuer.Recipient
	if to.UserNkey, err = user.PublicKey(); err == nil {
		to.ServerID, err = server.PublicKey()
	}
	return to, err
}

// activeKey returns the public key that signs for a place.
func (o *Check) activeKey(place issuer.Place) string {
	for _, k := range o.keys.Keys() {
		if k.State == issuer.StateActive && k.Account == place.Account && k.Scope == place.Scope {
			return k.PublicKey
		}
	}
	return "PUBLIC_KEY"
}

// refusedHint says what to do about an answer that a server would refuse.
func (o *Check) refusedHint(err error, e *Example) string {
	name, callout := e.Grant.Account, o.Cfg.Accounts.Callout
	place := issuer.Place{Account: name, Scope: e.Grant.Scope}
	public := "PUBLIC_KEY"
	if a, ok := o.keys.Account(name); ok {
		public = a.PublicKey
	}
	switch {
	case errors.Is(err, operator.ErrTooLarge):
		return PayloadHint(e.Who, e.Acls, "the servers'")
	case errors.Is(err, operator.ErrNotAllowed):
		return "nsc edit authcallout -a " + callout + " --allowed-account " + public + o.pushed(callout)
	case errors.Is(err, operator.ErrResponseSigner):
		return "add the active signing key of " + callout + " to its JWT: " + addKey(issuer.Place{Account: callout}, o.activeKey(issuer.Place{Account: callout})) + o.pushed(callout)
	case errors.Is(err, operator.ErrNoAccount):
		return "usher nkey push " + name + ", or nsc push -a " + name
	case errors.Is(err, operator.ErrNoConnections):
		return "nsc edit account -n " + name + " --conns -1" + o.pushed(name)
	case errors.Is(err, operator.ErrTemplate):
		return "correct the template: nsc edit signing-key -a " + name + " --sk " + o.activeKey(place) + o.pushed(name)
	case errors.Is(err, operator.ErrScope): // to add it again would take its scope away
		return "set the scope of " + o.activeKey(place) + " in keyring.yaml, or use a key without one"
	default:
		return "add the active signing key of " + place.String() + " to its JWT: " + addKey(place, o.activeKey(place)) + o.pushed(name)
	}
}

// inClient returns the connection of a client that is like any other.
func inClient() identity.Connection {
	return identity.Connection{Types: []string{string(directory.ConnectionStandard)}}
}

// ByACLs reports whether a user has a grant that entries of ACLs make: one that has the
// whole account has none of them, nor has a profile that is the same for everybody.
func ByACLs(f *directory.Facts) bool {
	return !f.HasServiceRole(directory.ServiceRoleAdmin) && slices.ContainsFunc(f.Memberships, func(m directory.Membership) bool {
		return len(m.Topics) > 0 || len(m.Subs) > 0
	})
}

// PayloadHint says what to do about an answer that is too large.
func PayloadHint(who string, acls bool, whose string) string {
	larger := "a larger max_payload in " + whose + " configuration"
	if !acls {
		return larger
	}
	return "fewer ACL entries for " + who + ", or " + larger
}

func PublicXKey(keys *issuer.Keyring) string {
	if x := keys.XKeys(); len(x) > 0 {
		return x[0].PublicKey()
	}
	return "the public xkey"
}
