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
	exampleName = "usher-check" // of an identity that no client has

	// MintTimeout limits the minting of one user JWT: a signing key may be a program.
	MintTimeout = 5 * time.Second
	// SealedBytes is what encryption to an xkey adds to a response: a prefix, a nonce and a
	// tag.
	SealedBytes = 44
)

// Example is a grant that usher would give to an identity.
type Example struct {
	ID     identity.Identity
	Grant  permissions.Grant
	Client string // for findings: "user alice", "role publisher"
	ACLs   bool   // removing ACL entries would make it smaller
}

// Size returns the total length of the subjects, which orders grants by the size of their
// user JWT.
func (e *Example) Size() int {
	n := 0
	for i := range e.Grant.Rules {
		n += len(e.Grant.Rules[i].Subject)
	}
	return n
}

// Examples returns the largest grant of every account and scope that a client can get,
// sorted by account and scope.
func Examples(cfg *config.Config, snapshot *snapshot.Snapshot) []Example {
	policy := assembly.Policy(cfg)
	largest := map[issuer.Place]Example{}
	try := func(client string, id identity.Identity, facts directory.Facts) {
		g, err := policy.Derive(id, facts)
		if err != nil {
			return // usher denies such a user, or does not answer for a reason other than the JWTs
		}
		g.Connection = standardConnection()
		if types := g.ConnectionTypes; len(types) > 0 { // one that the user may use
			g.Connection.Types = []string{string(types[0])}
		}
		e := Example{ID: id, Grant: g, Client: client, ACLs: ByACLs(&facts)}
		place := issuer.Place{Account: g.Account, Scope: g.Scope}
		if was, ok := largest[place]; !ok || was.Size() < e.Size() {
			largest[place] = e
		}
	}
	try("the health check", identity.Identity{Name: exampleName, Method: identity.MethodHealthCheck}, directory.Facts{})
	for _, role := range directory.ServiceRoles() {
		user := &directory.User{Name: exampleName, ServiceRoles: []directory.ServiceRole{role}}
		try("service role "+string(role), identity.Identity{Name: exampleName, Method: identity.MethodAPIKey}, directory.Facts{User: user})
	}
	if snapshot != nil {
		tryUsers(snapshot, try)
	}
	for _, r := range policy.Scoped { // a scope that no member has yet
		place := issuer.Place{Account: r.Account, Scope: r.Role}
		if _, ok := largest[place]; !ok {
			g := permissions.Grant{Account: r.Account, Scope: r.Role, Tags: []string{"project:" + exampleName, "role:" + r.Role}, Connection: standardConnection()}
			largest[place] = Example{ID: identity.Identity{Name: exampleName}, Grant: g, Client: "role " + r.Role}
		}
	}
	return slices.SortedFunc(maps.Values(largest), func(a, b Example) int {
		return cmp.Or(cmp.Compare(a.Grant.Account, b.Grant.Account), cmp.Compare(a.Grant.Scope, b.Grant.Scope))
	})
}

// tryUsers calls try for every member of every project, and for one service admin in every
// project.
func tryUsers(s *snapshot.Snapshot, try func(client string, id identity.Identity, facts directory.Facts)) {
	type session struct{ user, account string }
	seen := map[session]bool{}
	admin, admins := s.FirstWithServiceRole(directory.ServiceRoleAdmin)
	tryUser := func(user string, sel identity.Selection) {
		facts, ok := s.Facts(user, sel.Project)
		if ok {
			try("user "+user, identity.Identity{Name: user, Method: identity.MethodAPIKey, Selection: sel}, facts)
		}
	}
	for _, p := range assembly.SortedProjects(s) {
		for member := range s.Members(p.Name) {
			tryUser(member.Name, identity.Selection{Project: p.Name})
			if whole := (session{member.Name, p.Account}); !seen[whole] {
				seen[whole] = true
				tryUser(member.Name, identity.Selection{Account: p.Account})
			}
		}
		if admins {
			tryUser(admin, identity.Selection{Project: p.Name})
		}
	}
}

// userJWTs mints the largest user JWT of every account and scope, and validates each as a
// server would.
func (o *Checker) userJWTs(ctx context.Context) {
	a := o.accountNamed(o.Cfg.Accounts.Callout)
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
		Policy: assembly.Policy(o.Cfg), Lifetimes: issuer.Lifetimes{MaxLifetime: o.Cfg.UserJWT.MaxLifetime},
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

// userJWT mints and validates the user JWT of one example.
func (o *Checker) userJWT(ctx context.Context, mint *issuer.Issuer, signers *issuer.Signers, view *operator.View, e *Example) {
	const check = "user jwt"
	place := issuer.Place{Account: e.Grant.Account, Scope: e.Grant.Scope}
	to, err := RandomRecipient()
	if err != nil {
		o.Fail(fault.Runtime, check, place.String(), "", "%v", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, MintTimeout)
	defer cancel()
	response, _, err := mint.Issue(ctx, signers, to, e.ID, &e.Grant)
	switch {
	case errors.Is(err, issuer.ErrNoSigningKey):
		with, what := "account: "+place.Account, assembly.MissingKey(o.keys, place)
		if place.Scope != "" {
			with += " and scope: " + place.Scope
		}
		o.Fail(fault.Config, check, place.String(), addKey(place, "PUBLIC_KEY")+o.thenPush(place.Account)+"; then add its seed to the keyring, active, with "+with,
			"the keyring has no active %s for %s: usher does not answer %s", what, place, e.Client)
		return
	case err != nil:
		o.Fail(fault.Config, check, place.String(), "correct the keyring or the signing program", "cannot sign the answer for %s: %v", e.Client, err)
		return
	}
	if _, err := view.CheckResponse(string(response)); err != nil {
		if errors.Is(err, operator.ErrNoAccount) && !o.missingOnServers(e.Grant.Account) {
			return // the account is not known, which is reported
		}
		if o.accountNamed(place.Account).mismatched {
			return // reported by account; the rest follows from it
		}
		o.Fail(fault.Config, check, place.String(), o.refusedHint(err, e), "servers would refuse the user JWT of %s: %v", e.Client, err)
		return
	}
	o.OK(check, place.String(), "servers would accept the user JWT of %s, %d bytes", e.Client, len(response))
}

// missingOnServers reports whether no server has a JWT of an account.
func (o *Checker) missingOnServers(name string) bool {
	i := slices.IndexFunc(o.accounts, func(a *accountCheck) bool { return a.name == name })
	return i >= 0 && o.accounts[i].missing
}

// RandomRecipient returns a recipient with random keys. No server accepts a response that
// is minted for it.
func RandomRecipient() (issuer.Recipient, error) {
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

// activeKey returns the public key that signs for a place, or a placeholder for hints.
func (o *Checker) activeKey(place issuer.Place) string {
	for _, k := range o.keys.Keys() {
		if k.State == issuer.StateActive && k.Account == place.Account && k.Scope == place.Scope {
			return k.PublicKey
		}
	}
	return "PUBLIC_KEY"
}

// refusedHint returns the hint for a response that a server would refuse.
func (o *Checker) refusedHint(err error, e *Example) string {
	name, callout := e.Grant.Account, o.Cfg.Accounts.Callout
	place := issuer.Place{Account: name, Scope: e.Grant.Scope}
	public := "PUBLIC_KEY"
	if a, ok := o.keys.Account(name); ok {
		public = a.PublicKey
	}
	switch {
	case errors.Is(err, operator.ErrTooLarge):
		return PayloadHint(e.Client, e.ACLs, "the servers'")
	case errors.Is(err, operator.ErrNotAllowed):
		return "nsc edit authcallout -a " + callout + " --allowed-account " + public + o.thenPush(callout)
	case errors.Is(err, operator.ErrResponseSigner):
		return "add the active signing key of " + callout + " to its JWT: " + addKey(issuer.Place{Account: callout}, o.activeKey(issuer.Place{Account: callout})) + o.thenPush(callout)
	case errors.Is(err, operator.ErrNoAccount):
		return "usher nkey push " + name + ", or nsc push -a " + name
	case errors.Is(err, operator.ErrNoConnections):
		return "nsc edit account -n " + name + " --conns -1" + o.thenPush(name)
	case errors.Is(err, operator.ErrTemplate):
		return "correct the template: nsc edit signing-key -a " + name + " --sk " + o.activeKey(place) + o.thenPush(name)
	case errors.Is(err, operator.ErrScope): // adding it again would remove its scope
		return "set the scope of " + o.activeKey(place) + " in keyring.yaml, or use a key without one"
	default:
		return "add the active signing key of " + place.String() + " to its JWT: " + addKey(place, o.activeKey(place)) + o.thenPush(name)
	}
}

// standardConnection returns the connection of an ordinary client over TCP.
func standardConnection() identity.Connection {
	return identity.Connection{Types: []string{string(directory.ConnectionStandard)}}
}

// ByACLs reports whether ACL entries determine the size of a user's grant. They do not for
// a service admin, who has the whole account, or for a profile that all users share.
func ByACLs(f *directory.Facts) bool {
	return !f.HasServiceRole(directory.ServiceRoleAdmin) && slices.ContainsFunc(f.Memberships, func(m directory.Membership) bool {
		return len(m.Topics) > 0 || len(m.Subs) > 0
	})
}

// PayloadHint returns the hint for a response that is too large. whose names the servers
// to configure: "the server's".
func PayloadHint(client string, acls bool, whose string) string {
	larger := "a larger max_payload in " + whose + " configuration"
	if !acls {
		return larger
	}
	return "fewer ACL entries for " + client + ", or " + larger
}

// PublicXKey returns the public key of the first xkey, or a placeholder for hints.
func PublicXKey(keys *issuer.Keyring) string {
	if x := keys.XKeys(); len(x) > 0 {
		return x[0].PublicKey()
	}
	return "the public xkey"
}
