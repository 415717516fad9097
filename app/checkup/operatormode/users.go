package operatormode

import (
	"errors"
	"os"
	"strings"

	"usher/app/natsconn"
	"usher/internal/fault"
	"usher/internal/secretfile"

	"github.com/nats-io/jwt/v2"

	"usher/issuer"
	"usher/issuer/operator"
)

// errOtherSeed: the user JWT and the seed of a .creds file are those of two users.
var errOtherSeed = errors.New("contains the user JWT of one user and the seed of another")

// UserOf returns the user JWT of a .creds file.
func UserOf(path string) (*jwt.UserClaims, error) {
	creds, err := os.ReadFile(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, secretfile.Unreadable(err)
	}
	defer clear(creds)
	text, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		return nil, natsconn.ErrNoCreds
	}
	c, err := jwt.DecodeUserClaims(strings.TrimSpace(text))
	if err != nil {
		return nil, natsconn.ErrNoCreds
	}
	seed, err := jwt.ParseDecoratedUserNKey(creds)
	if err != nil {
		return nil, natsconn.ErrNoCreds
	}
	defer seed.Wipe()
	if public, err := seed.PublicKey(); err != nil || public != c.Subject {
		return nil, errOtherSeed
	}
	return c, nil
}

// serviceUser looks at the user that usher itself connects as.
func (o *Check) serviceUser() {
	const check = "service user"
	a := o.called(o.Cfg.Accounts.Callout)
	file := o.Cfg.NATS.CredsFile
	renew := "nsc generate creds -a " + a.name + " -n USER -o FILE, for an auth user of " + a.name
	if file == "" {
		o.Fail(fault.Config, check, "", "set nats.creds_file: "+renew, "nats.creds_file is not set: operator mode needs the JWT of the service user")
		return
	}
	if _, err := natsconn.ServiceOptions(o.Cfg); err != nil {
		return // files has said so
	}
	c, err := UserOf(file)
	if err != nil {
		o.Fail(fault.Config, check, file, renew, "nats.creds_file: %v", err)
		return
	}
	if a.claims == nil {
		return
	}
	sound := o.user(check, file, "nats.creds_file: "+renew, "nats.creds_file: "+renew, a, c)
	if a.claims.HasExternalAuthorization() && !a.claims.Authorization.AuthUsers.Contains(c.Subject) {
		o.Fail(fault.Config, check, file, "nsc edit authcallout -a "+a.name+" --auth-user "+c.Subject+o.pushed(a.name),
			"%s is not one of the auth_users of %s: the server would ask usher about usher itself, so it cannot connect", c.Subject, a.name)
		sound = false
	}
	if sound && a.claims.HasExternalAuthorization() {
		o.OK(check, file, "%s is an auth user of %s", orSubject(c), a.name)
	}
}

func orSubject(c *jwt.UserClaims) string {
	if c.Name == "" {
		return c.Subject
	}
	return c.Name
}

// user looks at what holds for every user of the callout account. It reports
// whether a server would take it. renew says how to get one that lasts, another how
// to get one of the callout account.
func (o *Check) user(check, where, renew, another string, a *accountCheck, c *jwt.UserClaims) bool {
	sound := o.lifetime(check, where, renew, &c.ClaimsData)
	_, err := operator.Limits(a.claims, c, o.strict())
	switch {
	case errors.Is(err, operator.ErrOtherAccount):
		o.Fail(fault.Config, check, where, another, "is a user of account %s; %s is %s", operator.AccountOf(c), a.name, a.claims.Subject)
		return false
	case err != nil:
		o.Fail(fault.Config, check, where, "sign it again with a key of "+a.name+" (nsc: -K KEY)", "servers refuse this user: %v", err)
		return false
	}
	if a.claims.IsClaimRevoked(c) {
		o.Fail(fault.Config, check, where, "nsc revocations delete-user -a "+a.name+" -n USER"+o.pushed(a.name)+"; or create another user", "is revoked in the JWT of %s", a.name)
		sound = false
	}
	for _, k := range o.keys.Keys() {
		if k.PublicKey == c.Issuer && k.Kind == issuer.KindSigning && c.Issuer != a.claims.Subject {
			o.Warn(check, where, "sign it with the identity key of "+a.name+", or with a signing key that is not in the keyring (nsc: -K KEY)",
				"is signed by %s, a signing key of the keyring: when you rotate that key, servers refuse this user", c.Issuer)
			sound = false
		}
	}
	return sound
}

const notBearer = "is not a bearer: it cannot be a default_sentinel, and servers refuse a client with its JWT and a token"

// sentinelFile looks at nats.sentinel_creds_file.
func (o *Check) sentinelFile() {
	file := o.Cfg.NATS.SentinelCredsFile
	if file == "" {
		o.OK("sentinel", "", "nats.sentinel_creds_file is not set: the servers need a default_sentinel")
		return
	}
	c, err := UserOf(file)
	if err != nil {
		o.Fail(fault.Config, "sentinel", file, "nsc generate creds -a "+o.Cfg.Accounts.Callout+" -n USER -o FILE, for the sentinel", "nats.sentinel_creds_file: %v", err)
		return
	}
	o.Sentinel(file, c)
}

// Sentinel looks at a user that clients are until usher has decided.
func (o *Check) Sentinel(where string, c *jwt.UserClaims) {
	a := o.called(o.Cfg.Accounts.Callout)
	if a.claims == nil {
		return
	}
	edit := func(flags string) string {
		return "nsc edit user -a " + a.name + " -n USER " + flags + ", and distribute the new JWT"
	}
	another := "replace it with a bearer user of " + a.name + ": nsc add user -a " + a.name + " -n USER --bearer --deny-pubsub '>', and nsc generate creds -a " + a.name + " -n USER -o FILE"
	if !o.user("sentinel", where, edit("--expiry 0"), another, a, c) && operator.AccountOf(c) != a.claims.Subject {
		return // nothing of it counts
	}
	before := len(*o.List)
	fail := func(hint, format string, args ...any) { o.Fail(fault.Config, "sentinel", where, hint, format, args...) }
	if a.claims.Authorization.AuthUsers.Contains(c.Subject) {
		fail("nsc edit authcallout -a "+a.name+" --rm-auth-user "+c.Subject+o.pushed(a.name), "is one of the auth_users of %s: servers accept its holder without asking usher", a.name)
	}
	limits, err := operator.Limits(a.claims, c, o.strict())
	if err != nil {
		return // said already
	}
	switch {
	case !limits.BearerToken && c.HasEmptyPermissions():
		fail("nsc edit signing-key -a "+a.name+" --sk "+c.Issuer+" --bearer"+o.pushed(a.name), notBearer)
	case !limits.BearerToken:
		fail(edit("--bearer"), notBearer)
	case a.claims.Limits.DisallowBearer:
		fail("nsc edit account -n "+a.name+" --disallow-bearer=false"+o.pushed(a.name), "is a bearer, but %s disallows bearers (limits.disallow_bearer): servers refuse it", a.name)
	}
	if !operator.DeniesAll(&limits) {
		o.Warn("sentinel", where, edit("--deny-pubsub '>'"), "may publish or subscribe: if %s lost its external authorization, anybody could connect with these permissions", a.name)
	}
	if len(limits.AllowedConnectionTypes)+len(limits.Src)+len(limits.Times) > 0 {
		o.Warn("sentinel", where, edit("without connection types, source networks and times"), "has limits of its own (connection types, networks or times), which apply to every client")
	}
	if len(*o.List) == before {
		o.OK("sentinel", where, "%s is a bearer of %s without permissions", orSubject(c), a.name)
	}
}
