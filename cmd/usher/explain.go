package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/explanation"
	"usher/callout"
	"usher/directory"
	"usher/identity"
	"usher/internal/secret"
	"usher/permissions"
	"usher/tokens"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "show what a credential may do, and why, without connecting",
		UsageText: "usher explain -c FILE --token-file FILE [--user NAME] [--host ADDR]\n" +
			"    [--cert FILE [--ca FILE]] [--connection TYPE] [--mqtt-client-id ID] [--publish SUBJECT] [--subscribe SUBJECT]\n" +
			"    [--max-payload BYTES] [--json]",
		Description: "Takes the same path as a live request. Exits 4 if the credential or a given subject\n" +
			"is denied, and 1 if the template of a scoped signing key decides that.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token; - reads it from stdin"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME`, such as project=P; the token is sent as the password"},
			&cli.StringFlag{Name: "cert", Usage: "`FILE` with a client certificate, with or without a token"},
			&cli.StringFlag{Name: "ca", Usage: "`FILE` with the CA certificates of nats-server's tls block", DefaultText: "those of the system"},
			&cli.StringFlag{Name: "host", Usage: "`ADDR` from which the client would connect"},
			&cli.StringFlag{Name: "connection", Usage: "`TYPE` of connection: " + strings.ToLower(cmdutil.JoinValues(directory.ConnectionTypes())), DefaultText: "any allowed one"},
			&cli.StringFlag{Name: "mqtt-client-id", Usage: "client `ID`, with --connection mqtt or mqtt_ws"},
			&cli.StringSliceFlag{Name: "publish", Usage: "check whether it may publish to `SUBJECT`"},
			&cli.StringSliceFlag{Name: "subscribe", Usage: "check whether it may subscribe to `SUBJECT`"},
			&cli.IntFlag{Name: "max-payload", Usage: "max_payload of the servers in `BYTES`, if less than 1 MiB"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: explain,
	}
}

func explain(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	questions, err := questionsFrom(c)
	if err != nil {
		return err
	}
	if c.IsSet("max-payload") && c.Int("max-payload") <= 0 {
		return cmdutil.UsageError("give max_payload of the servers, such as 65536", "--max-payload: expected a number of bytes above 0")
	}
	credential, err := credentialOf(c)
	if err != nil {
		return err
	}
	if credential.VerifiedChains, err = verifiedChains(c.String("cert"), c.String("ca")); err != nil {
		return err
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	p, stop, err := openParts(c, cfg)
	if err != nil {
		return err
	}
	defer stop()
	in := p.ExplanationInputs()
	in.MaxPayload = c.Int("max-payload")
	x := explanation.ForCredential(c.Context, in, &credential, questions...)
	if c.Bool("json") {
		err = x.WriteJSON(c.App.Writer)
	} else {
		err = x.WriteText(c.App.Writer)
	}
	if err != nil {
		return err
	}
	if x.Code == tokens.CodeKeyNetwork && credential.Host == "" {
		cmdutil.Hint(c.App.ErrWriter, "give the address of the client with --host ADDR")
	}
	if x.Code == callout.CodeMQTTClientID && credential.Connection.MQTTClientID == "" {
		cmdutil.Hint(c.App.ErrWriter, "give the client ID with --mqtt-client-id ID")
	}
	return cmdutil.OutcomeError(x)
}

// openParts makes the parts of a configuration, and reads the directory. stop ends the
// work of the verifiers.
func openParts(c *cli.Context, cfg *config.Config) (p *assembly.Parts, stop func(), err error) {
	p, stopStore, err := openStore(c, cfg)
	if err != nil {
		return nil, nil, err
	}
	stopVerifiers := p.StartVerifiers(c.Context)
	return p, func() {
		stopVerifiers()
		stopStore()
	}, nil
}

// openStore is openParts for commands that verify nothing.
func openStore(c *cli.Context, cfg *config.Config) (p *assembly.Parts, stop func(), err error) {
	p, err = assembly.New(cfg, slog.New(slog.DiscardHandler), assembly.Observers{})
	if err != nil {
		return nil, nil, err
	}
	note, stopStore, err := runStore(c.Context, p.Store, c.App.ErrWriter)
	if err != nil {
		return nil, nil, err
	}
	if note != "" {
		asOf := p.Store.(*assembly.Bucket).Status().Checked
		cmdutil.Note(c.App.ErrWriter, note+"; using the directory of "+asOf.Format(time.RFC3339))
	}
	return p, func() { _ = stopStore() }, nil // it was only read
}

// credentialOf returns the credential as nats-server would pass it on.
func credentialOf(c *cli.Context) (tokens.Credential, error) {
	var credential tokens.Credential
	path := c.String("token-file")
	if path == "" && c.String("cert") == "" {
		return credential, cmdutil.UsageError("name the file with --token-file FILE (- reads stdin), or a client certificate with --cert FILE", "--token-file is missing")
	}
	connection, err := connectionOf(c)
	if err != nil {
		return credential, err
	}
	var token string
	if path != "" {
		if token, err = readToken(c, path); err != nil {
			return credential, err
		}
	}
	credential.Connection = connection
	credential.Host = c.String("host")
	if user := c.String("user"); secret.Detect(user) {
		return credential, cmdutil.UsageError("give the key with --token-file, and replace it: it was on a command line", "--user: the value looks like a secret")
	} else if user != "" {
		credential.User, credential.Password = user, token
	} else {
		credential.AuthToken = token
	}
	return credential, nil
}

// connectionOf returns the connection of --connection and --mqtt-client-id. It is zero if
// neither is set.
func connectionOf(c *cli.Context) (identity.Connection, error) {
	const hintMQTT = "add --connection mqtt"
	id := c.String("mqtt-client-id")
	if !c.IsSet("connection") {
		if id != "" {
			return identity.Connection{}, cmdutil.UsageError(hintMQTT, "--mqtt-client-id applies to MQTT connections only")
		}
		return identity.Connection{}, nil
	}
	t := directory.ConnectionType(strings.ToUpper(c.String("connection")))
	switch {
	case !slices.Contains(directory.ConnectionTypes(), t):
		return identity.Connection{}, cmdutil.CheckValues("--connection", []string{c.String("connection")},
			strings.Split(strings.ToLower(cmdutil.JoinValues(directory.ConnectionTypes())), ", "))
	case id != "" && t != directory.ConnectionMQTT && t != directory.ConnectionMQTTWS:
		return identity.Connection{}, cmdutil.UsageError(hintMQTT, "--mqtt-client-id applies to MQTT connections only")
	}
	return identity.Connection{Types: []string{string(t)}, MQTTClientID: id}, nil
}

func readToken(c *cli.Context, path string) (string, error) {
	if path == "-" {
		return secretfile.ReadLine(c.App.Reader, "stdin")
	}
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	token, err := secretfile.ReadLine(f, path)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return token, nil
}

func questionsFrom(c *cli.Context) ([]explanation.Question, error) {
	var questions []explanation.Question
	for _, side := range permissions.Sides() {
		for _, subject := range c.StringSlice(string(side)) {
			q := explanation.Question{Side: side, Subject: subject}
			if err := q.Valid(); err != nil {
				return nil, cmdutil.UsageError("", "--%s %w", side, err)
			}
			questions = append(questions, q)
		}
	}
	return questions, nil
}
