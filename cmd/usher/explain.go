package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"github.com/urfave/cli/v2"

	"usher/app/assembly"
	"usher/app/explanation"
	"usher/callout"
	"usher/directory"
	"usher/identity"
	"usher/internal/secret"
	"usher/permissions"
	"usher/tokens"
	"usher/tokens/apikey"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name:  "explain",
		Usage: "say what a credential may do, and why, without connecting",
		UsageText: "usher explain -c FILE --token-file FILE [--user NAME] [--host ADDR]\n" +
			"    [--connection TYPE] [--mqtt-client-id ID] [--publish SUBJECT] [--subscribe SUBJECT]\n" +
			"    [--max-payload BYTES] [--json]",
		Description: "Goes the way of a live request. Exits 4 if the credential is refused, or a subject\n" +
			"that was asked for is; 1 if the template of a scoped signing key decides about that.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token; - reads it from stdin"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME` to go with it, such as project=P; the token is its password"},
			&cli.StringFlag{Name: "host", Usage: "`ADDR` that the client would connect from"},
			&cli.StringFlag{Name: "connection", Usage: "`TYPE` of connection that the client would make: " + strings.ToLower(cmdutil.OneOf(directory.ConnectionTypes())) + "; default: any that it may"},
			&cli.StringFlag{Name: "mqtt-client-id", Usage: "client `ID` that it would have, with --connection mqtt or mqtt_ws"},
			&cli.StringSliceFlag{Name: "publish", Usage: "would it be allowed to publish to `SUBJECT`?"},
			&cli.StringSliceFlag{Name: "subscribe", Usage: "would it be allowed to subscribe to `SUBJECT`?"},
			&cli.IntFlag{Name: "max-payload", Usage: "`BYTES` that the servers take (max_payload), where that is less than 1 MiB"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: explain,
	}
}

func explain(c *cli.Context) error {
	if err := cmdutil.Arguments(c, 0); err != nil {
		return err
	}
	asked, err := askedFor(c)
	if err != nil {
		return err
	}
	if c.IsSet("max-payload") && c.Int("max-payload") <= 0 {
		return cmdutil.UsageError("say max_payload of the servers, such as 65536", "--max-payload: expected a number of bytes")
	}
	credential, err := credentialOf(c)
	if err != nil {
		return err
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	p, err := assembly.New(cfg, slog.New(slog.DiscardHandler), assembly.Observers{})
	if err != nil {
		return err
	}
	note, end, err := following(c.Context, p.Store, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer end() //nolint:errcheck // it was only read
	if note != "" {
		cmdutil.Say(c.App.ErrWriter, "note", note)
	}
	in := p.ExplanationInputs()
	in.MaxPayload = c.Int("max-payload")
	x := explanation.ForCredential(c.Context, in, &credential, asked...)
	if c.Bool("json") {
		err = x.WriteJSON(c.App.Writer)
	} else {
		err = x.WriteText(c.App.Writer)
	}
	if err != nil {
		return err
	}
	if x.Code == apikey.CodeNetwork && credential.Host == "" {
		cmdutil.Say(c.App.ErrWriter, "hint", "--host ADDR says where the client would connect from")
	}
	if x.Code == callout.CodeMQTTClientID && credential.Connection.MQTTClientID == "" {
		cmdutil.Say(c.App.ErrWriter, "hint", "--mqtt-client-id ID says the id that the client would have")
	}
	return cmdutil.OutcomeError(x)
}

// credentialOf builds what nats-server would pass on.
func credentialOf(c *cli.Context) (tokens.Credential, error) {
	var credential tokens.Credential
	path := c.String("token-file")
	if path == "" {
		return credential, cmdutil.UsageError("say it with --token-file FILE; - reads it from stdin", "which token?")
	}
	connection, err := connectionOf(c)
	if err != nil {
		return credential, err
	}
	token, err := readToken(c, path)
	if err != nil {
		return credential, err
	}
	credential.Connection = connection
	credential.Host = c.String("host")
	if user := c.String("user"); secret.Detect(user) {
		return credential, cmdutil.UsageError("a key goes into --token-file; one that stood on a command line should be replaced", "--user: what looks like a secret is no name")
	} else if user != "" {
		credential.User, credential.Password = user, token
	} else {
		credential.AuthToken = token
	}
	return credential, nil
}

// connectionOf returns the connection that is asked about; zero: none in particular.
func connectionOf(c *cli.Context) (identity.Connection, error) {
	const ofMQTT = "say it with --connection mqtt"
	id := c.String("mqtt-client-id")
	if !c.IsSet("connection") {
		if id != "" {
			return identity.Connection{}, cmdutil.UsageError(ofMQTT, "--mqtt-client-id is of an MQTT client")
		}
		return identity.Connection{}, nil
	}
	t := directory.ConnectionType(strings.ToUpper(c.String("connection")))
	switch {
	case !slices.Contains(directory.ConnectionTypes(), t):
		return identity.Connection{}, cmdutil.UsageError("one of "+strings.ToLower(cmdutil.OneOf(directory.ConnectionTypes())),
			"--connection: there is no type %s", secret.Quote(c.String("connection")))
	case id != "" && t != directory.ConnectionMQTT && t != directory.ConnectionMQTTWS:
		return identity.Connection{}, cmdutil.UsageError(ofMQTT, "--mqtt-client-id is of an MQTT client")
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

func askedFor(c *cli.Context) ([]explanation.Question, error) {
	var asked []explanation.Question
	for _, side := range permissions.Sides() {
		for _, subject := range c.StringSlice(string(side)) {
			q := explanation.Question{Side: side, Subject: subject}
			if err := q.Valid(); err != nil {
				return nil, cmdutil.UsageError("", "--%s %w", side, err)
			}
			asked = append(asked, q)
		}
	}
	return asked, nil
}
