package remote

import (
	"encoding/json"
	"errors"
	"fmt"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/secretfile"
	"usher/internal/version"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/directory"
	"usher/internal/ownedfile"
	"usher/internal/secret"
)

func serverFlag(more string) cli.Flag {
	return &cli.StringFlag{Name: "server", Aliases: []string{"s"}, Usage: "`URL` of the management API" + more}
}

func caFileFlag() cli.Flag {
	return &cli.StringFlag{Name: "ca-file", Usage: "`FILE` with the certificate authority of the API", DefaultText: "those of the system"}
}

func insecureFlag() cli.Flag {
	return &cli.BoolFlag{Name: "insecure-http", Usage: "allow http: for another machine; the key is sent unencrypted"}
}

// remoteFlags returns the options of every command over the management API.
func remoteFlags() []cli.Flag {
	return append([]cli.Flag{&cli.BoolFlag{Name: "json", Usage: "print the JSON of the API"}}, APIFlags()...)
}

// APIFlags returns the options that say which API is asked, with which key.
func APIFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "context", Usage: "`CONTEXT` with the API server and key", DefaultText: "$" + ContextEnv + ", or the selected one"},
		serverFlag("; replaces the context"),
		&cli.StringFlag{Name: "key-file", Usage: "`FILE` with the API key; - reads it from stdin"},
		caFileFlag(),
		insecureFlag(),
	}
}

// Session is one run of a command over the management API.
type Session struct {
	CLI     *cli.Context
	API     *client.Client
	server  string     // URL of the API
	Project string     // set if the command needs one
	out     *KeyOutput // set if the command creates a key
}

// Connect creates a client from the options and the context. Options override the
// context. --server replaces the whole context: the key of one server must not reach
// another.
func Connect(c *cli.Context) (*Session, error) {
	x := &Context{}
	if !c.IsSet("server") {
		var err error
		if x, err = chosenContext(c); err != nil {
			return nil, err
		}
	} else if c.IsSet("context") {
		return nil, cmdutil.UsageError("", "--server and --context: give only one of them")
	}
	if err := x.apply(c); err != nil {
		return nil, err
	}
	if err := x.checkServer(c); err != nil {
		return nil, err
	}
	cfg, key, err := x.clientConfig(c, true)
	if err != nil {
		return nil, err
	}
	cfg.Key, cfg.UserAgent = key, "usher/"+version.Semver()
	cfg.Warn = func(text string) { cmdutil.Note(c.App.ErrWriter, text) }
	api, err := client.New(cfg)
	if errors.Is(err, client.ErrKey) {
		return nil, x.fileError(c, "key-file", "key file "+x.KeyFile, err)
	}
	if err != nil {
		return nil, err
	}
	return &Session{CLI: c, API: api, server: x.Server, Project: x.Project}, nil
}

func chosenContext(c *cli.Context) (*Context, error) {
	f, err := UserContextStore()
	if err != nil {
		return nil, err
	}
	name, err := contextInUse(c, f)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, cmdutil.UsageError("name the server with --server URL, or save a context with usher context save", "no server given")
	}
	return readContext(f, name)
}

// clientConfig reads the files that a context names, and checks all settings. It returns
// the API key apart from the rest.
func (x *Context) clientConfig(c *cli.Context, needKey bool) (*client.Config, string, error) {
	cfg := &client.Config{Server: x.Server, InsecureHTTP: x.InsecureHTTP}
	if x.CAFile != "" {
		ca, _, err := ownedfile.Read(x.CAFile, ownedfile.Rule{Pipe: true})
		if err != nil {
			return nil, "", x.fileError(c, "ca-file", "CA file "+x.CAFile, err)
		}
		cfg.CA = ca
	}
	key, err := x.key(c)
	if err != nil {
		return nil, "", err
	}
	if key == "" && needKey {
		return nil, "", cmdutil.UsageError("name the key file with --key-file FILE; - reads stdin", "no API key given")
	}
	// A placeholder stands for the key here: connect reports an invalid key.
	probe := *cfg
	if key != "" {
		probe.Key = "key"
	}
	switch _, err := client.New(&probe); {
	case errors.Is(err, client.ErrServer):
		return nil, "", cmdutil.UsageError(serverHint(x.Server), "--server: %w", err)
	case errors.Is(err, client.ErrPlainHTTP):
		return nil, "", cmdutil.UsageError("use https, or allow it with --insecure-http", "--server: %w", err)
	case errors.Is(err, client.ErrRoots):
		return nil, "", x.fileError(c, "ca-file", "CA file "+x.CAFile, err)
	case err != nil:
		return nil, "", err
	}
	return cfg, key, nil
}

// key reads the API key, from stdin or from a file that only its owner can read.
func (x *Context) key(c *cli.Context) (string, error) {
	if x.NATSContext != "" {
		return x.keyOfNATSContext(c)
	}
	if x.KeyFile == "" {
		return "", nil
	}
	var key string
	var err error
	if x.KeyFile == "-" {
		key, err = secretfile.ReadLine(c.App.Reader, "stdin")
	} else {
		key, err = secretfile.ReadNamed(x.KeyFile, false)
	}
	switch {
	case err == nil:
		return key, nil
	case errors.Is(err, ownedfile.ErrReadable):
		e := x.fileError(c, "key-file", "key file "+x.KeyFile, err)
		e.Hint = "chmod 600 the file"
		return "", e
	case secret.Detect(x.KeyFile):
		return "", &fault.Error{Kind: fault.Config, Err: errors.New("--key-file: the value looks like an API key, not like a file name"), Hint: "write the key to a file that only you can read"}
	default:
		return "", x.fileError(c, "key-file", "key file "+x.KeyFile, err)
	}
}

// keyOfNATSContext reads the API key from a context of the nats CLI.
func (x *Context) keyOfNATSContext(c *cli.Context) (string, error) {
	from := "context " + x.name
	if c.IsSet("nats-context") {
		from = "--nats-context"
	}
	n, err := cmdutil.ReadNATSContext(from, x.NATSContext)
	if err != nil {
		return "", err
	}
	key, err := n.APIKey()
	return key, cmdutil.NATSContextError(from, err)
}

// fileError reports a file that cannot be used. It names the option that gave the file, or
// the context that stores its path.
func (x *Context) fileError(c *cli.Context, option, what string, err error) *fault.Error {
	e := &fault.Error{Kind: fault.Config}
	errors.As(fault.InConfig(err), &e)
	if x.name == "" || c.IsSet(option) {
		e.Err = fmt.Errorf("--%s: %w", option, err)
		return e
	}
	e.Err = fmt.Errorf("context %s: %s: %w", x.name, what, secretfile.WithoutPath(err))
	if e.Hint == "" {
		e.Hint = "usher context save --" + option + " FILE " + x.name
	}
	return e
}

// CheckName returns a usage error for an invalid name. what starts the message.
func CheckName(what, name string) error {
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "%s %w", what, err)
	}
	return nil
}

// Print prints a response of the API: as JSON with --json, else by calling printText.
func (r *Session) Print(response any, printText func() error) error {
	if r.CLI.Bool("json") {
		return json.NewEncoder(r.CLI.App.Writer).Encode(response)
	}
	return printText()
}

// PrintDone reports on stderr what was done. With --json it prints the response instead.
func (r *Session) PrintDone(response any, format string, args ...any) error {
	if r.CLI.Bool("json") {
		return json.NewEncoder(r.CLI.App.Writer).Encode(response)
	}
	r.Infof(format, args...)
	return nil
}

// Infof prints a line to stderr, unless --json is set.
func (r *Session) Infof(format string, args ...any) {
	if !r.CLI.Bool("json") {
		fmt.Fprintf(r.CLI.App.ErrWriter, format+"\n", args...)
	}
}
