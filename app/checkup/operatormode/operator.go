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

// Checker checks the JWTs of one installation in operator mode. Run returns it, so that
// the checks of live servers can add what they learn about sentinels.
type Checker struct {
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
	trusts     map[string][]string // by server ID: the operator keys that the server trusts; nil: it does not report them
}

// accountCheck is an account that the keyring, the configuration or the directory names.
type accountCheck struct {
	name    string
	public  string // from keyring.yaml; empty: the account is not in it
	usedBy  string // which clients use it; empty: none
	disk    *jwt.AccountClaims
	text    string             // of disk
	claims  *jwt.AccountClaims // the JWT in force, or else the one on disk; nil: neither is known
	where   string             // where claims come from
	missing bool               // no server has a JWT of it
	stale   bool               // the JWT on disk is not the one in force

	mismatched bool // public belongs to another account
}

// Run checks the JWTs on disk and, unless offline, those in force on the servers. It
// appends the findings to f. snapshot is nil if the directory cannot be read.
func Run(ctx context.Context, f *finding.List, cfg *config.Config, keys *issuer.Keyring, snapshot *snapshot.Snapshot, offline bool) *Checker {
	o := &Checker{List: f, Cfg: cfg, keys: keys, snapshot: snapshot, now: time.Now(), offline: offline, maxPayload: defaultMaxPayload}
	o.collectAccounts()
	o.readDir()
	if !offline {
		o.accountsInForce(ctx)
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

// collectAccounts lists the accounts that the keyring, the configuration and the directory
// name.
func (o *Checker) collectAccounts() {
	used := UsedAccounts(o.Cfg, o.snapshot)
	names := map[string]bool{o.Cfg.Accounts.Callout: true, o.Cfg.Accounts.System: true}
	for name := range used {
		names[name] = true
	}
	for _, a := range o.keys.Accounts() {
		names[a.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a := &accountCheck{name: name, usedBy: used[name]}
		known, ok := o.keys.Account(name)
		a.public = known.PublicKey
		if !ok && a.usedBy != "" {
			o.Fail(fault.Config, "keyring", name, "add it to accounts in keyring.yaml, with its public key (nsc describe account -n "+name+" -F sub), and a signing key of it to keys",
				"is not in keyring.yaml, and clients use it: %s", a.usedBy)
		}
		o.accounts = append(o.accounts, a)
	}
}

// UsedAccounts returns the accounts in which usher can place a client. The value says
// why: "project shop", or the configuration key that names the account.
func UsedAccounts(cfg *config.Config, s *snapshot.Snapshot) map[string]string {
	used := map[string]string{}
	if s != nil {
		for _, p := range assembly.SortedProjects(s) {
			used[p.Account] = "project " + p.Name
		}
	}
	for _, scope := range cfg.Accounts.Scopes {
		name, _, _ := strings.Cut(scope, "/")
		used[name] = "accounts.scopes"
	}
	for i := range cfg.Profiles {
		used[cfg.Profiles[i].Account] = "profile " + cfg.Profiles[i].Name
	}
	used[cfg.Accounts.HealthCheck] = "accounts.healthcheck"
	used[cfg.Accounts.ServiceAdmin] = "accounts.service_admin"
	used[cfg.Accounts.Ingest] = "accounts.ingest"
	delete(used, "")
	return used
}

// readDir reads the JWTs on disk. An account without a file can still be in force.
func (o *Checker) readDir() {
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

// find returns the account with a public key; nil: its claims are not known.
func (o *Checker) find(public string) *accountCheck {
	for _, a := range o.accounts {
		if a.public == public && a.claims != nil {
			return a
		}
	}
	return nil
}

// accountNamed returns the account with a name, which collectAccounts has listed.
func (o *Checker) accountNamed(name string) *accountCheck {
	i := slices.IndexFunc(o.accounts, func(a *accountCheck) bool { return a.name == name })
	return o.accounts[i]
}

// strict reports whether the operator requires signing keys.
func (o *Checker) strict() bool { return o.operator != nil && o.operator.StrictSigningKeyUsage }

// thenPush ends a hint that changes an account JWT. nsc changes the JWT in its own store,
// but usher nkey push reads operator.dir.
func (o *Checker) thenPush(name string) string {
	dir := o.Cfg.Operator.Dir
	if dir == "" {
		return "; then nsc push -a " + name
	}
	return fmt.Sprintf("; then nsc push -a %s, and nsc describe account -n %s -R > %s (without nsc: sign it again, then usher nkey push %s)",
		name, name, shellword.Quote(operator.Dir(dir).AccountFile(name)), name)
}

// addKey begins a hint that adds a signing key to an account JWT. A key with a scope in
// the keyring must have it in the JWT too: without it, users that it signs could do
// anything.
func addKey(place issuer.Place, public string) string {
	if place.Scope == "" {
		return "nsc edit account -n " + place.Account + " --sk " + public
	}
	return "nsc edit signing-key -a " + place.Account + " --sk " + public + " --role " + place.Scope + " --allow-pub … --allow-sub …"
}
