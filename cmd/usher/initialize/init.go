// Package initialize is the command "usher init".
package initialize

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/shellword"

	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/setup"
	"usher/directory"
	"usher/internal/secret"
)

// Command returns the command.
func Command() *cli.Command {
	return &cli.Command{
		Name:  "init",
		Usage: "create the files for a nats-server and usher",
		UsageText: "usher init [--operator] [--kv] [--api HOST:PORT] [--listen HOST:PORT]\n      [--http HOST:PORT] [--project NAME]... DIR\n" +
			"usher init --event-gateway [--yes] [--listen HOST:PORT] [--host NAME]...\n" +
			"      [--cert FILE --key FILE]... [--ca FILE] [--pki FOLDER] [--services WHO]\n" +
			"      [--internal HOST:PORT] [--gateway HOST:PORT] [--gateway-external HOST:PORT]\n" +
			"      [--reach HOST:PORT] [--reach-external HOST:PORT] [--external-only]\n" +
			"      [--bridge [--store HOST:PORT] [--leaf HOST:PORT]] [--http HOST:PORT]\n      [--api HOST:PORT] DIR\n" +
			"usher init --moved DIR",
		Description: "Writes the seeds of issuer and xkey, the service user's password, nats-server.conf,\n" +
			"usher.yaml, directory.yaml and contexts of the nats CLI to DIR. Both programs start\n" +
			"with them unedited.\n" +
			"It never overwrites a file.\n\n" +
			"With --kv the directory is a JetStream bucket of that nats-server (2.12 or later)\n" +
			"instead of directory.yaml. All instances of usher share it, and you manage it over\n" +
			"HTTP or with usher user, project, topic and so on. Over directory.yaml the management\n" +
			"API reads, and lists and closes sessions (docs/how-to/sessions.md).\n\n" +
			"Each --project gets a NATS account of its own, which isolates it: clients in another\n" +
			"account can neither read nor write its data, nor disturb it.\n\n" +
			"With --operator the accounts are JWTs that a new operator signs;\n" +
			"docs/reference/files.md describes each file.\n\n" +
			"With --event-gateway it writes the files of an event gateway for Chef Habitat\n" +
			"supervisors: two nats-servers that are joined, an external one for supervisors and\n" +
			"an internal one for services, with a CA and certificates unless you give some\n" +
			"(docs/how-to/event-gateway.md).\n\n" +
			"The paths in nats-server.conf and in the contexts are absolute. If you move the\n" +
			"folder to DIR, stop nats-server and run usher init --moved DIR. It updates the\n" +
			"paths, and refuses if the data of nats-server was not moved, too.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "operator", Usage: "create an operator with accounts and signing keys (operator mode)"},
			&cli.BoolFlag{Name: "kv", Usage: "store the directory in NATS instead of a file"},
			&cli.StringSliceFlag{Name: "project", Usage: "`NAME` of a project with an account of its own (config mode)"},
			&cli.StringFlag{Name: "listen", Usage: "`HOST:PORT` for nats-server", DefaultText: setup.DefaultListen + "; with --event-gateway " + setup.DefaultExternal},
			&cli.StringFlag{Name: "http", Usage: "`HOST:PORT` for metrics and probes of usher", DefaultText: config.DefaultHTTPListen},
			&cli.StringFlag{Name: "api", Usage: "`HOST:PORT` for the management API", DefaultText: setup.ListenAPI},
			&cli.BoolFlag{Name: "moved", Usage: "update the paths in the configuration of nats-server after the folder was moved to DIR; write nothing else"},
		}, eventGatewayFlags()...),
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			if c.Bool("moved") {
				return moved(c)
			}
			if c.Bool("event-gateway") {
				return eventGateway(c)
			}
			if err := refuseFlags(c, "add --event-gateway", "--%s needs --event-gateway", eventGatewayFlags()); err != nil {
				return err
			}
			o, err := options(c)
			if err != nil {
				return err
			}
			files, err := setup.Write(o)
			if err != nil {
				return setupError(err)
			}
			return report(c, o.Dir, files, next(&o, files))
		},
	}
}

// report prints the files on stdout, and what to do next on stderr.
func report(c *cli.Context, dir string, files []setup.File, next string) error {
	for _, f := range files {
		if _, err := fmt.Fprintln(c.App.Writer, secret.RedactDetected(filepath.Join(dir, filepath.FromSlash(f.Name)))); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(c.App.ErrWriter, next)
	return err
}

// refuseFlags refuses options that are set and make no sense with the others.
func refuseFlags(c *cli.Context, hint, format string, flags []cli.Flag) error {
	for _, f := range flags {
		if name := f.Names()[0]; c.IsSet(name) {
			return cmdutil.UsageError(hint, format, name)
		}
	}
	return nil
}

// moved updates the paths of an installation whose folder was moved.
func moved(c *cli.Context) error {
	others := slices.DeleteFunc(slices.Clone(c.Command.Flags), func(f cli.Flag) bool { return f.Names()[0] == "moved" })
	if err := refuseFlags(c, "give --moved alone", "--moved and --%s: give only one of them", others); err != nil {
		return err
	}
	changed, err := setup.Relocate(c.Args().First())
	if err != nil {
		return setupError(err)
	}
	for _, r := range changed {
		if _, err := fmt.Fprintln(c.App.Writer, secret.RedactDetected(r.From+" -> "+r.To)); err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		cmdutil.Note(c.App.ErrWriter, "the paths are up to date")
	}
	return nil
}

// setupError gives a failure of package setup its hint.
func setupError(err error) error {
	switch {
	case errors.Is(err, setup.ErrDuplicateProject):
		return cmdutil.UsageError("name each project once", "--project: %w", err)
	case errors.Is(err, setup.ErrProject):
		return cmdutil.UsageError("choose another name", "--project: %w", err)
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	e := fault.InConfig(err)
	if !errors.As(e, &f) {
		return e
	}
	switch {
	case errors.Is(err, setup.ErrExists):
		f.Hint = "nothing was written; choose another directory, or move these files away"
	case errors.Is(err, setup.ErrNoConfig):
		f.Hint = "give the folder at its new place: it has nats-server.conf, or external.conf, internal.conf or store.conf"
	case errors.Is(err, setup.ErrLeftBehind):
		f.Hint = "nothing was changed; stop nats-server, move the rest, too, and run the command again"
	case errors.Is(err, setup.ErrTwoStores):
		f.Hint = "nothing was changed; stop nats-server, find out which of them is current, and rename the other"
	case errors.Is(err, setup.ErrTwoFolders):
		f.Hint = "nothing was changed; edit the paths in the file"
	case errors.Is(err, setup.ErrNoPaths):
		f.Hint = "nothing was changed; if you chose these paths yourself, edit the file"
	}
	return e
}

// options reads and checks the options.
func options(c *cli.Context) (setup.Options, error) {
	o := setup.Options{
		Dir: c.Args().First(), Operator: c.Bool("operator"), KV: c.Bool("kv"), Listen: cmp.Or(c.String("listen"), setup.DefaultListen),
		Projects: c.StringSlice("project"),
		Config:   map[string]string{}, Random: rand.Reader, Now: time.Now(),
	}
	if err := cmdutil.CheckAdvertisedAddress("listen", o.Listen, "the generated files refer to it"); err != nil {
		return o, err
	}
	if o.Operator && len(o.Projects) > 0 {
		return o, cmdutil.UsageError("when nats-server and usher run, create projects with usher project add", "--project and --operator: give only one of them")
	}
	for _, name := range o.Projects {
		if err := directory.CheckName(name); err != nil {
			return o, cmdutil.UsageError(directory.HintFor(err), "--project %w", err)
		}
		if use, reserved := directory.ReservedProject(name); reserved {
			return o, cmdutil.UsageError("choose another name", "--project %s is reserved: %s", name, use)
		}
	}
	if err := httpListen(c, &o); err != nil {
		return o, err
	}
	return o, apiListen(c, &o)
}

// apiListen reads --api.
func apiListen(c *cli.Context, o *setup.Options) error {
	api := c.String("api")
	if api == "" {
		return nil
	}
	o.Config["api.listen"] = api
	return cmdutil.CheckAdvertisedAddress("api", api, "clients need to know it")
}

// httpListen reads --http.
func httpListen(c *cli.Context, o *setup.Options) error {
	web := c.String("http")
	if web == "" {
		return nil
	}
	o.Config["http.listen"] = web
	return cmdutil.CheckListenAddress("http", web)
}

// next returns the next steps for a new installation with these files.
func next(o *setup.Options, files []setup.File) string {
	path := func(name string) string { return shellword.Quote(filepath.Join(o.Dir, filepath.FromSlash(name))) }
	next := fmt.Sprintf("\nNext:\n  nats-server -c %s\n", path(setup.FileServerConfig))
	serve := fmt.Sprintf("  usher serve -c %s\n", path(setup.FileConfig))
	if o.KV {
		next += fmt.Sprintf("  usher bootstrap -c %s --to %s\n", path(setup.FileConfig), path(setup.FileAdminKey)) +
			serve + saveContext(o, o.Dir) + "  usher user add NAME\n"
		for _, name := range o.Projects {
			next += fmt.Sprintf("  usher project add --account %[1]s %[1]s\n", name)
		}
	} else {
		next += serve + firstAdmin(o.Dir) + saveContext(o, o.Dir) + "  usher session list\n"
	}
	if slices.ContainsFunc(files, func(f setup.File) bool { return f.Name == setup.FileClientContext }) {
		next += fmt.Sprintf("  nats --context %s rtt     # nats CLI 0.5 or later\n", path(setup.FileClientContext))
	}
	if o.Operator {
		next += fmt.Sprintf("\nMove %s off this machine: its seeds can recreate operator and accounts,\n"+
			"and nothing on this machine needs them.\n", path(setup.DirIdentity))
	}
	return next
}

// firstAdmin returns the step that makes the first service admin of a directory file.
func firstAdmin(dir string) string {
	path := func(name string) string { return shellword.Quote(filepath.Join(dir, name)) }
	return fmt.Sprintf("  usher apikey new --user admin --service-role %s --to %s     # its lines go into %s\n",
		directory.ServiceRoleAdmin, path(setup.FileAdminKey), path(setup.FileDirectory))
}

// saveContext returns the step that tells the other commands where the API is.
func saveContext(o *setup.Options, dir string) string {
	return fmt.Sprintf("  usher context save --server http://%s --key-file %s --select local\n",
		cmp.Or(o.Config["api.listen"], setup.ListenAPI), shellword.Quote(filepath.Join(dir, setup.FileAdminKey)))
}
