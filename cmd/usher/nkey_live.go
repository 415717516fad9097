package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/urfave/cli/v2"

	"usher/callout"
	"usher/config"
	"usher/issuer"
	"usher/keyring"
	"usher/operator"
	"usher/rotation"
)

func nkeyStatusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "say who uses which key, and what is safe to retire",
		UsageText: "usher nkey status -c FILE [--all] [--json] [PUBLIC_KEY]",
		Description: "Asks the running ushers how often each key was asked for in the last hour, and\n" +
			"the servers what they go by.",
		Flags: []cli.Flag{configFlag(), allFlag(), &cli.BoolFlag{Name: "json", Usage: "print JSON"}},
		Action: func(c *cli.Context) error {
			if c.NArg() > 1 {
				return arguments(c, 1)
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			l, err := openLive(cfg)
			if err != nil {
				return err
			}
			defer l.close()
			rows, state, err := l.status(c.Context)
			if err != nil {
				return err
			}
			sayRotation(c, state)
			if only := c.Args().First(); only != "" {
				rows = slices.DeleteFunc(rows, func(r keyRow) bool { return r.PublicKey != only && r.Fingerprint != only })
				if len(rows) == 0 {
					return &exitError{code: exitRuntime, err: fmt.Errorf("%w: %s", rotation.ErrUnknownKey, only), hint: "usher nkey list"}
				}
			}
			return printKeys(c, rows, true)
		},
	}
}

// status returns the keys of the keyring with what is said of them.
func (l *live) status(ctx context.Context) ([]keyRow, *keyring.State, error) {
	rows, state, err := keyRows(l.cfg, time.Now())
	if err != nil {
		return nil, nil, err
	}
	reports, err := l.reports(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := l.rotator(func(string) {}, 0, false)
	if err != nil {
		return nil, nil, err
	}
	for i := range rows {
		row := &rows[i]
		row.Live = liveOf(row.PublicKey, reports, time.Now())
		if row.State == issuer.StateRetired {
			row.Live.Because = []string{"it is retired"}
			continue
		}
		because, err := r.Blockers(ctx, state, state.Entry(row.PublicKey))
		if err != nil {
			because = []string{"could not be looked at: " + err.Error()}
		}
		row.Live.Because, row.Live.Safe = because, len(because) == 0
	}
	return append(rows, notHeld(rows, reports)...), state, nil
}

// notHeld returns the keys that servers ask for and this keyring does not have.
func notHeld(rows []keyRow, reports []callout.Report) []keyRow {
	known := map[string]bool{}
	for i := range rows {
		known[rows[i].PublicKey] = true
	}
	var more []keyRow
	for i := range reports {
		for _, k := range reports[i].Keys {
			if known[k.PublicKey] || k.LastHour == 0 {
				continue
			}
			known[k.PublicKey] = true
			kind := k.Kind
			if kind == "" {
				kind = issuer.KindIssuer
			}
			more = append(more, keyRow{
				Kind: kind, Account: k.Account, Scope: k.Scope, State: stateMissing,
				Fingerprint: fingerprint(k.PublicKey), PublicKey: k.PublicKey, Live: liveOf(k.PublicKey, reports, time.Now()),
			})
			more[len(more)-1].Live.Because = []string{"it is not in this keyring, and servers ask for it"}
		}
	}
	return more
}

// stateMissing is what a key is that servers ask for and the keyring does not have.
const stateMissing issuer.KeyState = "missing"

// liveOf gathers what the running ushers report of a key.
func liveOf(public string, reports []callout.Report, now time.Time) *keyLive {
	l := &keyLive{Of: len(reports)}
	names := map[string]bool{}
	for i := range reports {
		for _, k := range reports[i].Keys {
			if k.PublicKey != public {
				continue
			}
			if k.State != "" {
				l.Ushers++
			}
			l.LastHour += k.LastHour
			if k.Last != nil && (l.Last == nil || k.Last.After(*l.Last)) {
				l.Last = k.Last
			}
			for _, s := range k.Servers {
				if now.Sub(s.Last) < time.Hour {
					names[s.Name] = true
				}
			}
		}
	}
	for name := range names {
		l.Servers = append(l.Servers, name)
	}
	slices.Sort(l.Servers)
	return l
}

func nkeyVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "say what each live server expects, and whether the keyring has it",
		UsageText: "usher nkey verify -c FILE [--json]",
		Flags:     []cli.Flag{configFlag(), &cli.BoolFlag{Name: "json", Usage: "print findings as JSON"}},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			l, err := openLive(cfg)
			if err != nil {
				return err
			}
			defer l.close()
			var f findings
			if err := l.verify(c.Context, &f); err != nil {
				return err
			}
			return f.print(c)
		},
	}
}

func (l *live) verify(ctx context.Context, f *findings) error {
	keys, err := loadKeyring(l.cfg)
	if err != nil {
		return err
	}
	seen, err := l.expecting(ctx)
	if err != nil {
		return err
	}
	for _, x := range seen {
		l.verifyServer(f, keys, &x)
	}
	if l.cluster == nil {
		return nil
	}
	return l.verifyAccounts(ctx, f, keys)
}

func (l *live) verifyServer(f *findings, keys *issuer.Keyring, x *rotation.Expectation) {
	_, known := keys.For(x.Issuer)
	switch {
	case x.Issuer == "":
		f.fail(exitRuntime, "server", x.URL, "usher check says what does not fit", "%s", x.Problem)
		return
	case !known:
		hint := retiredHint(keys, x.Issuer)
		if hint == "" {
			hint = "put its seed into " + l.cfg.Keyring.Dir
		}
		f.fail(exitConfig, "issuer", x.URL, hint, "server %s expects %s, which is not in the keyring", x.Server, x.Issuer)
	default:
		f.ok("issuer", x.URL, "server %s expects %s, which is in the keyring", x.Server, x.Issuer)
	}
	switch {
	case x.XKey != "":
		f.ok("xkey", x.URL, "server %s seals to %s, which is in the keyring", x.Server, x.XKey)
	case x.Problem != "":
		f.fail(exitConfig, "xkey", x.URL, "", "server %s: %s", x.Server, x.Problem)
	default:
		f.ok("xkey", x.URL, "server %s asks in the clear", x.Server)
	}
}

// verifyAccounts compares the account JWTs that are in force with the keyring.
func (l *live) verifyAccounts(ctx context.Context, f *findings, keys *issuer.Keyring) error {
	servers, err := l.cluster.Servers(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys.Keys() {
		if k.State != issuer.StateActive || k.Kind != issuer.KindSigning {
			continue
		}
		a, ok := keys.Account(k.Account)
		if !ok {
			continue
		}
		claims, _, agree, err := l.cluster.Newest(ctx, a.PublicKey, servers)
		switch {
		case err != nil:
			f.fail(exitRuntime, "account", a.Name, "", "%v", err)
		case !claims.SigningKeys.Contains(k.PublicKey) && a.PublicKey != k.PublicKey:
			f.fail(exitConfig, "account", a.Name, "usher nkey rotate gives it another; or add it with nsc, and push", "its JWT does not have signing key %s, which usher signs with", k.PublicKey)
		case operator.ScopeOf(claims, k.PublicKey) != k.Scope:
			f.fail(exitConfig, "account", a.Name, "", "signing key %s has scope %q in the JWT, and %q in the keyring", k.PublicKey, operator.ScopeOf(claims, k.PublicKey), k.Scope)
		case !agree:
			f.warn("account", a.Name, "wait for the resolvers to meet, or push again", "the servers have different JWTs of it")
		default:
			f.ok("account", a.Name, "its JWT has signing key %s", k.PublicKey)
		}
	}
	return nil
}

func nkeyPushCommand() *cli.Command {
	return &cli.Command{
		Name: "push", Usage: "give an account JWT from disk to every server (operator mode)",
		UsageText: "usher nkey push -c FILE ACCOUNT",
		Description: "Takes accounts/ACCOUNT.jwt of operator.dir, pushes it to the resolvers, and waits\n" +
			"until every server goes by it.",
		Flags: []cli.Flag{configFlag()},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			if cfg.NATS.Mode != config.ModeOperator || cfg.Operator.Dir == "" {
				return &exitError{code: exitConfig, err: fmt.Errorf("there is nothing to push"), hint: "account JWTs are for operator mode (nats.mode), and lie in operator.dir"}
			}
			l := &live{cfg: cfg}
			if err := l.openSystem(); err != nil {
				return err
			}
			defer l.close()
			return l.push(c, c.Args().First())
		},
	}
}

func (l *live) push(c *cli.Context, name string) error {
	dir := operator.Dir(l.cfg.Operator.Dir)
	claims, text, err := dir.Account(name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("no account %s in %s", name, dir)
		}
		return configError(err)
	}
	trusted, err := dir.Operator()
	if err != nil {
		return configError(err)
	}
	if claims.Issuer != trusted.Subject && !trusted.SigningKeys.Contains(claims.Issuer) {
		return configError(fmt.Errorf("the JWT of %s is signed by %s, which is neither operator %s nor one of its signing keys", name, claims.Issuer, trusted.Name))
	}
	if err := l.unscoped(name, claims); err != nil {
		return err
	}
	servers, err := l.cluster.Servers(c.Context)
	if err != nil {
		return rotationError(l.cfg, err)
	}
	now, _, _, err := l.cluster.Newest(c.Context, claims.Subject, servers)
	if err == nil && now.IssuedAt > claims.IssuedAt {
		return &exitError{code: exitConfig, err: fmt.Errorf("the servers have a newer JWT of %s", name), hint: "it would be lost; sign yours again"}
	}
	if err := l.cluster.Push(c.Context, claims.Subject, text, servers); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.App.Writer, "pushed "+name+" to "+operator.Names(servers))
	return err
}

// unscoped refuses a JWT that gives a key of the keyring another scope than the
// keyring says: what usher signs states no permissions where there is a scope, and
// without the template that would be all of them.
func (l *live) unscoped(name string, claims *jwt.AccountClaims) error {
	keys, err := loadKeyring(l.cfg)
	if err != nil {
		return err
	}
	for _, k := range keys.Keys() {
		if k.Account != name || !claims.SigningKeys.Contains(k.PublicKey) || operator.ScopeOf(claims, k.PublicKey) == k.Scope {
			continue
		}
		return &exitError{
			code: exitConfig,
			err:  fmt.Errorf("%w: %s has scope %q in the JWT of %s, and %q in the keyring", operator.ErrUnscoped, k.PublicKey, operator.ScopeOf(claims, k.PublicKey), name, k.Scope),
			hint: "without its template a scoped key lets clients do everything; give it the role and template in the JWT (nsc edit signing-key), or mend keyring.yaml",
		}
	}
	return nil
}
