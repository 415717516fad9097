package operatormode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/internal/fault"
	"usher/internal/shellword"

	"github.com/nats-io/jwt/v2"

	"usher/app/assembly"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/directory/snapshot"
	"usher/issuer"
	"usher/issuer/operator"
)

// defaultMaxPayload is nats-server's.
const defaultMaxPayload = 1 << 20

// Check looks at what operator mode has in place of a server's
// configuration: operator, account and user JWTs, and the keyring beside them.
type Check struct {
	*finding.List
	Cfg      *config.Config
	keys     *issuer.Keyring
	snapshot *snapshot.Snapshot // nil: there is none
	now      time.Time
	offline  bool

	operator   *jwt.OperatorClaims // nil: not known
	accounts   []*accountCheck     // sorted by name
	maxPayload int64               // of the servers
	servers    []operator.Server   // that answer the system user
	trusts     map[string][]string // the keys whose account JWTs a server takes, by its ID; nil: it does not say
}

// accountCheck is one account that something needs.
type accountCheck struct {
	name    string
	public  string // as keyring.yaml says; empty: it does not know the account
	lands   string // why clients land in it; empty: none does
	disk    *jwt.AccountClaims
	text    string             // of disk
	claims  *jwt.AccountClaims // what is looked at: what is in force, or else what is on disk; nil: neither
	where   string             // where claims come from
	missing bool               // servers were asked, and have none
	stale   bool               // what is on disk is not what is in force
	wrong   bool               // public is that of another account
}

// Run looks at the JWTs of operator mode: those on disk, and unless offline
// those in force.
func Run(ctx context.Context, f *finding.List, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, offline bool) *Check {
	o := &Check{List: f, Cfg: cfg, keys: keys, snapshot: snapshot, now: time.Now(), offline: offline, maxPayload: defaultMaxPayload}
	o.need()
	o.readDir()
	if !offline {
		o.live(ctx)
	}
	for _, a := range o.accounts {
		o.account(a)
	}
	o.signingKeys()
	o.callout()
	o.serviceUser()
	o.sentinelFile()
	o.scopes()
	o.userJWTs(ctx)
	return o
}

// need lists the accounts that keyring, configuration and directory name.
func (o *Check) need() {
	lands := LandsIn(o.Cfg, o.snapshot)
	names := map[string]bool{o.Cfg.Accounts.Callout: true, o.Cfg.Accounts.System: true}
	for name := range lands {
		names[name] = true
	}
	for _, a := range o.keys.Accounts() {
		names[a.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a := &accountCheck{name: name, lands: lands[name]}
		known, ok := o.keys.Account(name)
		a.public = known.PublicKey
		if !ok && a.lands != "" {
			o.Fail(fault.Config, "keyring", name, "add it to accounts in keyring.yaml, with its public key (nsc describe account -n "+name+" -F sub), and a signing key of it to keys",
				"is not in keyring.yaml, and clients use it: %s", a.lands)
		}
		o.accounts = append(o.accounts, a)
	}
}

// LandsIn returns the accounts that clients can land in, with the reason.
func LandsIn(cfg *config.Config, s *snapshot.Snapshot) map[string]string {
	lands := map[string]string{}
	if s != nil {
		for _, p := range assembly.SortedProjects(s) {
			lands[p.Account] = "project " + p.Name
		}
	}
	for _, scope := range cfg.Accounts.Scopes {
		name, _, _ := strings.Cut(scope, "/")
		lands[name] = "accounts.scopes"
	}
	lands[cfg.Accounts.HealthCheck] = "accounts.healthcheck"
	lands[cfg.Accounts.ServiceAdmin] = "accounts.service_admin"
	lands[cfg.Accounts.Ingest] = "accounts.ingest"
	delete(lands, "")
	return lands
}

// readDir reads what is on disk. An account that is not there may be in force all
// the same.
func (o *Check) readDir() {
	const keep = "keep operator.jwt and accounts/NAME.jwt in a folder, and set operator.dir to it (docs/how-to/own-operator.md)"
	if o.Cfg.Operator.Dir == "" {
		o.Warn("operator", "", keep, "operator.dir is not set: the JWTs on disk and the signers of account JWTs are not checked")
		return
	}
	dir := operator.Dir(o.Cfg.Operator.Dir)
	claims, err := dir.Operator()
	if err != nil {
		o.Fail(fault.Config, "operator", dir.OperatorFile(), "nsc describe operator -R > "+shellword.Quote(dir.OperatorFile()), "%v", err)
	} else {
		o.operator = claims
		o.operatorJWT(dir.OperatorFile())
	}
	for _, a := range o.accounts {
		claims, text, err := dir.Account(a.name)
		if err != nil {
			o.Fail(fault.Config, "account", dir.AccountFile(a.name), "nsc describe account -n "+a.name+" -R > "+shellword.Quote(dir.AccountFile(a.name)), "%v", err)
			continue
		}
		a.disk, a.text = claims, text
		a.claims, a.where = claims, dir.AccountFile(a.name)
	}
}

// find returns the account with a public key, as far as its claims are known.
func (o *Check) find(public string) *accountCheck {
	for _, a := range o.accounts {
		if a.public == public && a.claims != nil {
			return a
		}
	}
	return nil
}

// called returns the account of a name; need has made it.
func (o *Check) called(name string) *accountCheck {
	i := slices.IndexFunc(o.accounts, func(a *accountCheck) bool { return a.name == name })
	return o.accounts[i]
}

// strict reports whether the operator demands signing keys.
func (o *Check) strict() bool { return o.operator != nil && o.operator.StrictSigningKeyUsage }

// pushed ends a hint that begins with a change of an account JWT. What nsc changes
// lies in its own store, and usher nkey push takes what is in operator.dir.
func (o *Check) pushed(name string) string {
	dir := o.Cfg.Operator.Dir
	if dir == "" {
		return "; then nsc push -a " + name
	}
	return fmt.Sprintf("; then nsc push -a %s, and nsc describe account -n %s -R > %s (without nsc: sign it again, then usher nkey push %s)",
		name, name, shellword.Quote(operator.Dir(dir).AccountFile(name)), name)
}

// addKey begins a hint that puts a signing key into an account JWT. One that has a
// scope in the keyring must not come without: whoever it signs for could do anything.
func addKey(place issuer.Place, public string) string {
	if place.Scope == "" {
		return "nsc edit account -n " + place.Account + " --sk " + public
	}
	return "nsc edit signing-key -a " + place.Account + " --sk " + public + " --role " + place.Scope + " --allow-pub … --allow-sub …"
}
