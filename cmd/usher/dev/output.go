package dev

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/shellword"

	"usher/app/demo"
	"usher/app/setup"
	"usher/internal/secret"
	"usher/permissions"
)

// printDemoJSON prints one line of JSON for scripts.
func printDemoJSON(w io.Writer, d *demo.Directory, url, api, dir string) error {
	type refused struct {
		Token string `json:"token"`
	}
	return json.NewEncoder(w).Encode(struct {
		URL        string          `json:"url"`
		API        string          `json:"api,omitempty"`
		Dir        string          `json:"dir"`
		Identities []demo.Identity `json:"identities"`
		Refused    refused         `json:"refused"`
		Issuer     string          `json:"issuer,omitempty"` // of the OpenID Connect provider
	}{url, api, secret.RedactDetected(dir), d.Identities, refused{d.Refused.Token}, d.Provider})
}

// PrintText prints commands to paste: one for each identity, and one that is denied.
// The commands read tokens from files, never from the command line.
func PrintText(w io.Writer, d *demo.Directory, url, api, dir string) error {
	var b strings.Builder
	server := "nats-server"
	if d.Operator {
		server += ", in operator mode,"
	}
	manage := ""
	if api != "" {
		manage = "The management API is at " + api + "/v1.\n"
	}
	fmt.Fprintf(&b, "%s listens on %s, and usher authorizes its clients.\n%sFiles are in %s. Stop with Ctrl-C.\n\nPaste into another terminal:\n\n", server, url, manage, secret.RedactDetected(dir))
	tokens := filepath.Join(dir, demo.DirTokens)
	command := func(comment, user, subcommand, args string) {
		fmt.Fprintf(&b, "# %s\n%s try %s -s %s --token-file %s --inbox %s %s\n\n",
			comment, cmdutil.Self(), subcommand, url, shellword.Quote(filepath.Join(tokens, user)), permissions.InboxPrefix(user), args)
	}
	command("ingest: a supervisor may publish its events, and nothing else", demo.Ingest, "publish", "habitat.event.healthcheck up")
	command("publisher: webshop may publish to topic orders; the stream acknowledges", demo.Publisher, "publish --ack", "shop.orders teapot")
	command("consumer: billing may fetch from subscription invoices", demo.Consumer, "consume", "shop invoices")
	command("project admin: everything in project shop", demo.ProjectAdmin, "publish --ack", "shop.returns teapot")
	command("service admin: everything in the account", demo.ServiceAdmin, "publish", "any.subject.at.all hello")
	command("denied: this key expired on 2024-12-31; only usher's log and audit give the cause", demo.Expired, "publish", "shop.orders hello")
	fmt.Fprintf(&b, "# show what a token may do, and why (orders yes, returns no, so the exit code is 4)\n%s explain -c %s --token-file %s --publish shop.orders --publish shop.returns\n",
		cmdutil.Self(), shellword.Quote(filepath.Join(dir, setup.FileConfig)), shellword.Quote(filepath.Join(tokens, demo.Publisher)))
	if api != "" {
		fmt.Fprintf(&b, "\n# manage the directory with usher user, project, member, topic, subscription, acl and key\n%[1]s user list -s %[2]s --key-file %[3]s\n"+
			"\n# who is connected; session show says why, session kick closes a connection\n%[1]s session list -s %[2]s --key-file %[3]s\n",
			cmdutil.Self(), api, shellword.Quote(filepath.Join(tokens, demo.ServiceAdmin)))
	}
	if d.Provider != "" {
		fmt.Fprintf(&b, "\n# log in at the OpenID Connect provider: open %s%s in a browser, or run\n%s login --issuer %s --client-id %s --token-file %s\n",
			d.Provider, demo.PathLogin, cmdutil.Self(), d.Provider, demo.OIDCClient, shellword.Quote(filepath.Join(dir, filepath.FromSlash(demo.FileLogin))))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printLoginJSON prints a line of JSON for a login.
func printLoginJSON(w io.Writer, l *demo.Login) error {
	return json.NewEncoder(w).Encode(struct {
		Subject string    `json:"subject"`
		Token   string    `json:"token"`
		File    string    `json:"token_file"`
		Expires time.Time `json:"expires"`
	}{l.Subject, l.Token, l.File, l.Expires})
}

// printLoginText prints the token of a login, and a command to try it.
func printLoginText(w io.Writer, l *demo.Login, url, config string) error {
	_, err := fmt.Fprintf(w, "\n# %s has logged in. The token, valid until %s, is in %s:\n%s\n\n# show what it may do, and try it\n%s explain -c %s --token-file %s\n%s try publish -s %s --token-file %s shop.orders teapot\n",
		l.Subject, l.Expires.Format(time.RFC3339), l.File, l.Token,
		cmdutil.Self(), shellword.Quote(config), shellword.Quote(l.File), cmdutil.Self(), url, shellword.Quote(l.File))
	return err
}
