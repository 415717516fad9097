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
	return &cli.StringFlag{Name: "ca-file", Usage: "`FILE` with the certificate authority of the API; default: those of the system"}
}

func insecureFlag() cli.Flag {
	return &cli.BoolFlag{Name: "insecure-http", Usage: "send the key unencrypted to another machine, if URL begins with http:"}
}

// remoteFlags are those of every command that speaks to the management API.
func remoteFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print JSON, as the API has it"},
		&cli.StringFlag{Name: "context", Usage: "`CONTEXT` that says where the API is; default: $" + EnvContext + ", or the selected one"},
		serverFlag("; takes the place of a context"),
		&cli.StringFlag{Name: "key-file", Usage: "`FILE` with the API key; - reads it from stdin"},
		caFileFlag(),
		insecureFlag(),
	}
}

// Remote is one command that speaks to the management API.
type Remote struct {
	CLI     *cli.Context
	API     *client.Client
	server  string     // URL of the API
	Project string     // of a verb that needs one
	out     *KeyOutput // of a verb that makes a key
}

// connect finds out which API, and with which key. Options go before a context, and
// --server in place of one: the key of one server is no business of another.
func connect(c *cli.Context) (*Remote, error) {
	x := &Context{}
	if !c.IsSet("server") {
		var err error
		if x, err = chosenContext(c); err != nil {
			return nil, err
		}
	} else if c.IsSet("context") {
		return nil, cmdutil.UsageError("", "--server goes in place of --context")
	}
	if err := x.take(c); err != nil {
		return nil, err
	}
	if err := x.fits(c); err != nil {
		return nil, err
	}
	cfg, key, err := x.open(c, true)
	if err != nil {
		return nil, err
	}
	cfg.Key, cfg.UserAgent = key, "usher/"+version.Semver()
	api, err := client.New(cfg)
	if errors.Is(err, client.ErrKey) {
		return nil, fault.InConfig(fmt.Errorf("--key-file: %w", err))
	}
	if err != nil {
		return nil, err
	}
	return &Remote{CLI: c, API: api, server: x.Server, Project: x.Project}, nil
}

func chosenContext(c *cli.Context) (*Context, error) {
	f, err := UserContexts()
	if err != nil {
		return nil, err
	}
	name, err := contextInUse(c, f)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return nil, cmdutil.UsageError("say it with --server URL, or once for all with usher context save", "which server?")
	}
	return readContext(f, name)
}

// open reads the files that a context names, and checks all of it. Without wanted
// there need not be a key.
func (x *Context) open(c *cli.Context, wanted bool) (*client.Config, string, error) {
	cfg := &client.Config{Server: x.Server, InsecureHTTP: x.InsecureHTTP}
	if x.CAFile != "" {
		ca, _, err := ownedfile.Read(x.CAFile, ownedfile.Rule{Pipe: true})
		if err != nil {
			return nil, "", fault.InConfig(fmt.Errorf("--ca-file: %w", err))
		}
		cfg.CA = ca
	}
	key, err := x.key(c)
	if err != nil {
		return nil, "", err
	}
	if key == "" && wanted {
		return nil, "", cmdutil.UsageError("say it with --key-file FILE; - reads it from stdin", "with which API key?")
	}
	// Not with the key itself: what is wrong with that is another matter.
	probe := *cfg
	if key != "" {
		probe.Key = "key"
	}
	switch _, err := client.New(&probe); {
	case errors.Is(err, client.ErrServer):
		return nil, "", cmdutil.UsageError("such as https://usher.example.org:9443", "--server: %w", err)
	case errors.Is(err, client.ErrPlainHTTP):
		return nil, "", cmdutil.UsageError("use https; --insecure-http sends it all the same", "--server: %w", err)
	case errors.Is(err, client.ErrRoots):
		return nil, "", fault.InConfig(fmt.Errorf("--ca-file: %w", err))
	case err != nil:
		return nil, "", err
	}
	return cfg, key, nil
}

// key reads the key, from a file that nobody else can read.
func (x *Context) key(c *cli.Context) (string, error) {
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
		return "", &fault.Error{Kind: fault.Config, Err: fmt.Errorf("--key-file: %w", err), Hint: "chmod 600 the file"}
	case secret.Detect(x.KeyFile):
		return "", &fault.Error{Kind: fault.Config, Err: errors.New("--key-file: it looks like a key"), Hint: "put the key into a file that nobody else can read"}
	default:
		return "", fault.InConfig(fmt.Errorf("--key-file: %w", err))
	}
}

// CheckName reports what is no name, before it is sent anywhere.
func CheckName(what, name string) error {
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "%s %w", what, err)
	}
	return nil
}

// Print prints what the API has answered: as JSON, or in words.
func (r *Remote) Print(answer any, words func() error) error {
	if r.CLI.Bool("json") {
		return json.NewEncoder(r.CLI.App.Writer).Encode(answer)
	}
	return words()
}

// Done tells people on stderr what was done, and prints the answer for scripts.
func (r *Remote) Done(answer any, format string, args ...any) error {
	if r.CLI.Bool("json") {
		return json.NewEncoder(r.CLI.App.Writer).Encode(answer)
	}
	r.Tell(format, args...)
	return nil
}

// Tell says something to people, but not to scripts.
func (r *Remote) Tell(format string, args ...any) {
	if !r.CLI.Bool("json") {
		fmt.Fprintf(r.CLI.App.ErrWriter, format+"\n", args...)
	}
}
