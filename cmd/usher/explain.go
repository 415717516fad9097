package main

import (
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"usher/callout"
	"usher/issuer"
	"usher/permissions"
	"usher/tokens"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "say what a credential may do, and why, without connecting",
		UsageText: "usher explain -c FILE --token-file FILE [--user NAME] [--host ADDR]\n" +
			"    [--publish SUBJECT] [--subscribe SUBJECT] [--json]",
		Description: "Goes the way of a live request. Exits 4 if the credential is refused, or a subject\n" +
			"that was asked for is; 1 if the template of a scoped signing key decides about that.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token; - reads it from stdin"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME` to go with it, such as project=P; the token is its password"},
			&cli.StringFlag{Name: "host", Usage: "`ADDR` that the client would connect from"},
			&cli.StringSliceFlag{Name: "publish", Usage: "would it be allowed to publish to `SUBJECT`?"},
			&cli.StringSliceFlag{Name: "subscribe", Usage: "would it be allowed to subscribe to `SUBJECT`?"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: explain,
	}
}

func explain(c *cli.Context) error {
	if err := arguments(c, 0); err != nil {
		return err
	}
	asked, err := askedFor(c)
	if err != nil {
		return err
	}
	credential, err := credentialOf(c)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	p, err := assemble(cfg, discardLog(), told{})
	if err != nil {
		return err
	}
	d := p.decider.Decide(c.Context, &credential)
	signable(p.keyring.Keyring(), p.policy, &d)
	x := explanationOf(p, &d, asked)
	if c.Bool("json") {
		err = x.printJSON(c.App.Writer)
	} else {
		err = x.printText(c.App.Writer)
	}
	if err != nil {
		return err
	}
	switch {
	case d.Outcome == callout.Denied || x.refuses():
		return &exitError{code: exitDenied}
	case d.Outcome != callout.Granted || x.unknown():
		return &exitError{code: exitRuntime}
	default:
		return nil
	}
}

// signable makes of a grant that no key signs what becomes of it: no answer.
func signable(keys *issuer.Keyring, policy *permissions.Policy, d *callout.Decision) {
	place := issuer.Place{Account: d.Grant.Account, Scope: d.Grant.Scope}
	own, _ := keys.Account(policy.CalloutAccount)
	signers, ok := keys.For(own.PublicKey)
	if d.Outcome == callout.Granted && ok && !signers.Has(place) {
		d.Outcome, d.Code = callout.Unavailable, callout.CodeNoSigningKey
		d.Cause = issuer.ErrNoSigningKey.Error() + " for " + place.String()
	}
}

// credentialOf builds what nats-server would pass on.
func credentialOf(c *cli.Context) (tokens.Credential, error) {
	var credential tokens.Credential
	path := c.String("token-file")
	if path == "" {
		return credential, usageError("say it with --token-file FILE; - reads it from stdin", "which token?")
	}
	token, err := readToken(c, path)
	if err != nil {
		return credential, err
	}
	credential.Host = c.String("host")
	if user := c.String("user"); user != "" {
		credential.User, credential.Password = user, token
	} else {
		credential.AuthToken = token
	}
	return credential, nil
}

func readToken(c *cli.Context, path string) (string, error) {
	if path == "-" {
		return readLine(c.App.Reader, "stdin")
	}
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	token, err := readLine(f, path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return token, nil
}

// question is one subject that was asked for.
type question struct {
	side    permissions.Side
	subject string
}

func askedFor(c *cli.Context) ([]question, error) {
	var asked []question
	for _, side := range permissions.Sides() {
		for _, subject := range c.StringSlice(string(side)) {
			if !permissions.ValidSubject(subject) {
				return nil, usageError("", "--%s %q is not a subject", side, subject)
			}
			if side == permissions.Publish && permissions.HasWildcard(subject) {
				return nil, usageError("", "--publish %q: a message has one subject, without wildcards", subject)
			}
			asked = append(asked, question{side, subject})
		}
	}
	return asked, nil
}

// ends says when a connection made at now would end.
func ends(p *parts, d *callout.Decision, now time.Time) (latest *time.Time, because string) {
	limit := p.cfg.UserJWT.MaxLifetime
	switch end := d.Grant.NotAfter; {
	case !end.IsZero() && (limit <= 0 || end.Before(now.Add(limit))):
		return &end, "the credential ends then"
	case limit > 0:
		end := now.Add(limit)
		return &end, "user_jwt.max_lifetime, less a random part of it (user_jwt.jitter)"
	default:
		return nil, "neither the credential nor user_jwt.max_lifetime ends it"
	}
}
