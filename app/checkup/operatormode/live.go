package operatormode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"usher/app/checkup/finding"
	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/internal/fault"
	"usher/internal/secretfile"
	"usher/internal/shellword"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"

	"usher/issuer/operator"
)

// jwtVersion is a JWT of an account that a server uses or its resolver stores.
type jwtVersion struct {
	source string // the server that uses it, or "the resolver"
	text   string
	claims *jwt.AccountClaims
}

// accountsInForce asks the servers which account JWTs they use. The later checks prefer
// those to the ones on disk.
func (o *Checker) accountsInForce(ctx context.Context) {
	const check = "resolver"
	file := o.Cfg.Operator.SystemCredsFile
	if file == "" {
		o.Warn(check, "", "set operator.system_creds_file to the credentials of a user of "+o.Cfg.Accounts.System,
			"operator.system_creds_file is not set: the account JWTs that the servers use cannot be checked, so the findings below are about those on disk")
		return
	}
	nc, err := o.ConnectSystem(file)
	if err != nil {
		return
	}
	defer nc.Close()
	o.maxPayload = nc.MaxPayload()
	cluster := operator.NewCluster(nc, 0)
	servers, err := cluster.Servers(ctx)
	switch {
	case errors.Is(err, operator.ErrNoServer):
		o.Fail(fault.Config, check, file, "operator.system_creds_file must be of a user of the operator's system account", "%v", err)
		return
	case err != nil:
		o.Fail(fault.Runtime, check, natsconn.URLs(o.Cfg), "start the missing servers, or remove them from the cluster", "%v", err)
		return
	}
	if err := o.trust(ctx, cluster, servers); err != nil {
		o.Fail(fault.Runtime, check, natsconn.URLs(o.Cfg), "run usher check again; if it fails again, look at the servers' logs", "%v", err)
		return
	}
	silent := true // a memory resolver does not report what it stores
	found := map[string][]jwtVersion{}
	for _, a := range o.accounts {
		if a.public == "" {
			continue
		}
		all, stored, err := versions(ctx, cluster, a.public, servers)
		if err != nil {
			o.Fail(fault.Runtime, check, a.name, "run usher check again; if it fails again, look at the servers' logs", "%v", err)
			return
		}
		silent = silent && !stored
		found[a.name] = all
	}
	for _, a := range o.accounts {
		if a.public != "" {
			o.compareVersions(a, found[a.name], servers, silent)
		}
	}
}

// ConnectSystem connects with the credentials of operator.system_creds_file. It appends a
// finding if it returns an error.
func (o *Checker) ConnectSystem(file string) (*nats.Conn, error) {
	const check = "resolver"
	opts, err := natsconn.TLSOptions(&o.Cfg.NATS.TLS)
	if err != nil {
		return nil, err // checkFiles reports it for the service user
	}
	_, err = os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) { // docs/how-to/operator-mode.md recommends another machine
		o.Warn(check, file, "run usher check on the machine that has it, for more checks; elsewhere remove operator.system_creds_file",
			"operator.system_creds_file is not on this machine: the account JWTs that the servers use cannot be checked from here, so the findings below are about those on disk")
		return nil, err
	}
	if err != nil {
		err = secretfile.Unreadable(err)
	} else if err = secretfile.CheckSecret(file, o.Cfg.Keyring.AllowGroupReadable); err == nil {
		_, err = UserOf(file)
	}
	if err != nil {
		o.Fail(fault.Config, check, file, "nsc generate creds -a "+o.Cfg.Accounts.System+" -n USER -o FILE; and chmod 600 it", "operator.system_creds_file: %v", err)
		return nil, err
	}
	nc, err := nats.Connect(natsconn.URLs(o.Cfg), append(opts, nats.UserCredentials(file), nats.Name("usher-check-system"),
		nats.Timeout(deployment.ConnectTimeout), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		o.Fail(fault.Config, check, file, "operator.system_creds_file must be of a user of the operator's system account", "the servers deny the system user: %v", err)
	case err != nil:
		o.Fail(fault.Runtime, check, natsconn.URLs(o.Cfg), "is nats-server running at this address?", "cannot connect as the system user: %v", err)
	}
	return nc, err
}

// versions returns the JWTs of an account that the servers use and that the resolvers
// store.
func versions(ctx context.Context, c *operator.Cluster, public string, servers []operator.Server) (all []jwtVersion, stored bool, err error) {
	inForce, err := c.LoadedJWTs(ctx, public, servers)
	if err != nil {
		return nil, false, err
	}
	texts, err := c.Stored(ctx, public, servers)
	if err != nil {
		return nil, false, err
	}
	for _, in := range inForce {
		if in.JWT != "" {
			all = append(all, jwtVersion{source: in.Server.Name, text: in.JWT})
		}
	}
	for _, text := range texts {
		all = append(all, jwtVersion{source: "the resolver", text: text})
	}
	for i := range all {
		if all[i].claims, err = jwt.DecodeAccountClaims(all[i].text); err != nil {
			return nil, false, fmt.Errorf("%s: account JWT: %w", all[i].source, err)
		}
	}
	return all, len(texts) > 0, nil
}

// compareVersions compares the JWTs of an account on the servers with the one on disk, and
// makes the newest one in force the one that later checks use.
func (o *Checker) compareVersions(a *accountCheck, all []jwtVersion, servers []operator.Server, silent bool) {
	const check = "resolver"
	push := "usher nkey push " + a.name + ", or nsc push -a " + a.name
	if len(all) == 0 {
		if silent {
			o.OK(check, a.name, "no server has loaded it yet; servers with a memory resolver do not report their account JWTs")
			return
		}
		o.Fail(fault.Config, check, a.name, push, "no server knows %s (%s)", a.name, a.public)
		a.missing = true // the JWT on disk may show why
		return
	}
	if a.disk != nil && a.disk.Subject != a.public {
		return // account reports that these are two accounts
	}
	newest := slices.MaxFunc(all, func(x, y jwtVersion) int { return int(x.claims.IssuedAt - y.claims.IssuedAt) })
	before := len(*o.List)
	if a.disk != nil {
		o.againstDisk(a, all, push)
	}
	behind := slices.ContainsFunc((*o.List)[before:], func(f finding.Finding) bool { return f.Severity == finding.Error })
	var texts []string
	for _, v := range all {
		if !slices.Contains(texts, v.text) {
			texts = append(texts, v.text)
		}
	}
	if len(texts) > 1 && !behind {
		o.Fail(fault.Config, check, a.name, push+"; connected servers copy it from each other", "servers differ: %s", o.describeVersions(a.name, all))
	}
	if len(*o.List) == before {
		same := "as on disk"
		if a.disk == nil {
			same = "all the same"
		}
		o.OK(check, a.name, "%s: %s", operator.Names(servers), same)
	}
	a.claims, a.where = newest.claims, a.name+" (in force)"
	a.stale = a.disk != nil && newest.text != a.text
}

// againstDisk finds versions that are older or newer than the one on disk.
func (o *Checker) againstDisk(a *accountCheck, all []jwtVersion, push string) {
	const check = "resolver"
	file := operator.Dir(o.Cfg.Operator.Dir).AccountFile(a.name)
	var older, newer, other []jwtVersion
	for _, v := range all {
		switch {
		case v.text == a.text:
		case v.claims.IssuedAt < a.disk.IssuedAt:
			older = append(older, v)
		case v.claims.IssuedAt > a.disk.IssuedAt:
			newer = append(newer, v)
		default:
			other = append(other, v)
		}
	}
	disk := issued(a.disk)
	if o.untrustedSigner(a.disk) != "" {
		push = o.signAgain(a.name) // servers would store it, but not use it
	}
	if len(older) > 0 {
		o.Fail(fault.Config, check, a.name, push, "older than on disk: %s; %s is of %s", o.describeVersions(a.name, older), file, disk)
	}
	if len(newer) > 0 {
		o.Warn(check, a.name, "nsc pull -a "+a.name+", and nsc describe account -n "+a.name+" -R > "+shellword.Quote(file)+", before anything is changed from here",
			"newer than on disk: %s; %s is of %s", o.describeVersions(a.name, newer), file, disk)
	}
	if len(other) > 0 {
		o.Fail(fault.Config, check, a.name, push, "another JWT than on disk, signed in the same second: %s", o.describeVersions(a.name, other))
	}
}

// issued returns when a JWT was signed.
func issued(c *jwt.AccountClaims) string { return time.Unix(c.IssuedAt, 0).UTC().Format(time.RFC3339) }

// describeVersions lists the JWTs of an account with the time of signing and the servers that have
// them.
func (o *Checker) describeVersions(name string, all []jwtVersion) string {
	holders := map[string][]string{}
	var order []jwtVersion
	for _, v := range all {
		if holders[v.text] == nil {
			order = append(order, v)
		}
		if !slices.Contains(holders[v.text], v.source) {
			holders[v.text] = append(holders[v.text], v.source)
		}
	}
	slices.SortFunc(order, func(x, y jwtVersion) int {
		return cmp.Or(cmp.Compare(x.claims.IssuedAt, y.claims.IssuedAt), cmp.Compare(x.text, y.text))
	})
	var parts []string
	for _, v := range order {
		part := "the JWT of " + name + " of " + issued(v.claims) + " (" + strings.Join(holders[v.text], ", ")
		if o.untrustedSigner(v.claims) != "" {
			part += "; signed by " + v.claims.Issuer + ", which servers do not trust"
		}
		parts = append(parts, part+")")
	}
	return strings.Join(parts, ", ")
}
