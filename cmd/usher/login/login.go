// Package login is the command "usher login".
package login

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v2"

	applogin "usher/app/login"
	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/secretfile"
	"usher/internal/shellword"
)

const (
	loginWithin        = 10 * time.Minute // for the person
	loginRequestWithin = 30 * time.Second // for each request to the provider
)

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:  "login",
		Usage: "log in at an OpenID Connect provider, and write the token to a file",
		UsageText: "usher login --issuer URL --client-id ID --token-file FILE [--device] [--token access|id]\n" +
			"    [--scope NAME]... [--audience NAME] [--resource URL] [--client-secret-file FILE]\n" +
			"    [--ca FILE] [--json]",
		Description: "Prints a URL to open in a browser on this machine; with --device, on any machine.\n" +
			"usher try and the nats CLI take the token: usher try publish --token-file FILE,\n" +
			"nats --token \"$(cat FILE)\".",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "issuer", Usage: "`URL` of the provider"},
			&cli.StringFlag{Name: "client-id", Usage: "`ID` of the client that the provider knows for this program"},
			&cli.StringFlag{Name: "client-secret-file", Usage: "`FILE` with the secret of the client, if the provider gave one"},
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` to write the token to, with mode 0600"},
			&cli.BoolFlag{Name: "device", Usage: "log in with a browser on another machine"},
			&cli.StringFlag{Name: "token", Usage: "KIND of token: access or id", Value: string(applogin.Access)},
			&cli.StringSliceFlag{Name: "scope", Usage: "`NAME` of a scope to ask for", Value: cli.NewStringSlice("openid")},
			&cli.StringFlag{Name: "audience", Usage: "parameter audience: `NAME` for which the access token is"},
			&cli.StringFlag{Name: "resource", Usage: "parameter resource (RFC 8707): `URL` for which the access token is"},
			&cli.StringFlag{Name: "ca", Usage: "`FILE` with the certificate authority of the provider"},
			&cli.BoolFlag{Name: "json", Usage: "print one line of JSON"},
		},
		Action: logIn,
	}
}

func logIn(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	cfg, err := loginConfig(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, loginWithin)
	defer cancel()
	get := cfg.Browser
	if c.Bool("device") {
		get = cfg.Device
	}
	token, err := get(ctx)
	if errors.Is(err, applogin.ErrCleartext) {
		return cmdutil.UsageError("", "--issuer: %w", err)
	} else if err != nil {
		return err
	}
	file := c.String("token-file")
	if err := secretfile.Write(file, []byte(token.Text+"\n")); err != nil {
		return err
	}
	return printLogin(c, &token, file)
}

// loginConfig reads and checks the options.
func loginConfig(c *cli.Context) (applogin.Config, error) {
	cfg := applogin.Config{
		Issuer: c.String("issuer"), ClientID: c.String("client-id"), Scopes: c.StringSlice("scope"),
		Audience: c.String("audience"), Resource: c.String("resource"), Kind: applogin.Kind(c.String("token")), Now: time.Now,
	}
	for _, name := range []string{"issuer", "client-id", "token-file"} {
		if c.String(name) == "" {
			return cfg, cmdutil.UsageError("see usher login --help", "--%s is missing", name)
		}
	}
	if err := cmdutil.CheckValues("--token", []string{c.String("token")}, []string{string(applogin.Access), string(applogin.ID)}); err != nil {
		return cfg, err
	}
	if path := c.String("client-secret-file"); path != "" {
		secret, err := secretfile.Read(path, false)
		if err != nil {
			return cfg, fault.InConfig(fmt.Errorf("--client-secret-file: %w", err))
		}
		cfg.ClientSecret = secret
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if path := c.String("ca"); path != "" {
		pool, err := cmdutil.LoadCertPool(path)
		if err != nil {
			return cfg, cmdutil.UsageError("give a PEM file", "--ca: %w", secretfile.WithoutPath(err))
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	cfg.Client = &http.Client{
		Timeout: loginRequestWithin, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	cfg.Show = func(p applogin.Prompt) error { return showPrompt(c.App.ErrWriter, &p) }
	return cfg, nil
}

// showPrompt tells the person what to open. The provider chose the texts, so characters that
// would move the cursor are left out.
func showPrompt(w io.Writer, prompt *applogin.Prompt) error {
	p := applogin.Prompt{URL: printable(prompt.URL), UserCode: printable(prompt.UserCode)}
	text := "Open this page in a browser on this machine:\n\n    " + p.URL + "\n\n"
	if p.UserCode != "" {
		text = "Open this page in a browser:\n\n    " + p.URL + "\n\nIt asks for, or shows, this code: " + p.UserCode + "\n\n"
	}
	_, err := io.WriteString(w, text+"Waiting for the login. Stop with Ctrl-C.\n")
	return err
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return -1
	}, text)
}

// printLogin says what is in the file.
func printLogin(c *cli.Context, t *applogin.Token, file string) error {
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(struct {
			File    string    `json:"token_file"`
			Subject string    `json:"subject,omitempty"`
			Expires time.Time `json:"expires,omitzero"`
		}{file, t.Subject, t.Expires})
	}
	who := "The token"
	if t.Subject != "" {
		who += " of " + printable(t.Subject)
	}
	until := ""
	if !t.Expires.IsZero() {
		until = ", valid until " + t.Expires.Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(c.App.ErrWriter, "%s is in %s%s.\nTry it: %s try publish --token-file %s SUBJECT MESSAGE\n", who, file, until, cmdutil.Self(), shellword.Quote(file))
	return err
}
