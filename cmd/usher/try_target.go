package main

import (
	"cmp"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/app/natsconn"
	"usher/cmd/usher/cmdutil"
)

// tryTarget is the server of "usher try", and how to connect to it.
type tryTarget struct {
	server, from   string // its URLs, and where they were given
	inbox, domain  string
	sentinel, cert bool // these are presented
	options        []nats.Option
}

// tryTargetOf reads the options of the command line.
func tryTargetOf(c *cli.Context) (*tryTarget, error) {
	if c.IsSet("nats-context") {
		return tryContext(c)
	}
	credential, err := credentialOf(c)
	if err != nil {
		return nil, err
	}
	t := &tryTarget{server: c.String("server"), from: "--server", inbox: c.String("inbox"), domain: c.String("domain"), cert: c.String("cert") != ""}
	if err := checkInbox("--inbox", t.inbox); err != nil {
		return nil, err
	}
	switch {
	case credential.AuthToken != "":
		t.options = append(t.options, nats.Token(credential.AuthToken))
	case credential.User != "":
		t.options = append(t.options, nats.UserInfo(credential.User, credential.Password))
	}
	if path := c.String("sentinel"); path != "" {
		sentinel, err := natsconn.Sentinel(path)
		if err != nil {
			return nil, cmdutil.UsageError("give the .creds file that clients of the operator use", "--sentinel %w", err)
		}
		t.options, t.sentinel = append(t.options, sentinel), true
	}
	secure, err := cmdutil.TLSOptions(c)
	t.options = append(t.options, secure...)
	return t, err
}

const natsContextOption = "--nats-context"

// tryContext reads a context of the nats CLI. --inbox and --domain override it. Its credential
// goes to no other server.
func tryContext(c *cli.Context) (*tryTarget, error) {
	for _, name := range []string{"server", "token-file", "user", "sentinel", "ca", "cert", "key", "server-name", "tls-first"} {
		if c.IsSet(name) {
			return nil, cmdutil.UsageError("change a copy of the context, or leave it out", "--nats-context and --%s: give only one of them", name)
		}
	}
	path, err := cmdutil.NATSContextPath(c)
	if err != nil {
		return nil, err
	}
	x, err := cmdutil.ReadNATSContext(natsContextOption, path)
	if err != nil {
		return nil, err
	}
	t := &tryTarget{server: x.Servers(), from: path + ": url", inbox: cmp.Or(x.InboxPrefix, defaultInbox), sentinel: x.Creds != "" && x.Token != "", cert: x.Cert != ""}
	from := path + ": inbox_prefix"
	if c.IsSet("inbox") {
		t.inbox, from = c.String("inbox"), "--inbox"
	}
	t.domain = cmp.Or(c.String("domain"), x.Domain)
	if err := checkInbox(from, t.inbox); err != nil {
		return nil, err
	}
	t.options, err = x.Options()
	return t, cmdutil.NATSContextError(natsContextOption, err)
}

// checkInbox returns a usage error for an inbox prefix that nats.go does not accept.
func checkInbox(from, prefix string) error {
	if err := nats.CustomInboxPrefix(prefix)(&nats.Options{}); err != nil {
		return cmdutil.UsageError("", "%s must be _INBOX_<user>, without a wildcard or a final dot", from)
	}
	return nil
}
