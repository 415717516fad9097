package manage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/internal/plural"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/ams"
	"usher/directory/file"
	"usher/internal/atomicfile"
	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// maxShownDiff is how many lines of a diff an import shows before it asks; --dry-run
// shows all.
const maxShownDiff = 40

// DirectoryCommand returns "usher directory".
func DirectoryCommand() *cli.Command {
	return remote.Group("directory", "export and import the whole directory",
		remote.Command{
			Name: "export", Usage: "write the whole directory as a directory file", Description: "The output is YAML. It contains digests of keys and hashes of\npasswords, never a key or a password.",
			NoJSON: true,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "to", Usage: "new `FILE` to write to, with mode 0600", DefaultText: "stdout"},
				&cli.BoolFlag{Name: "force", Usage: "overwrite FILE"},
			},
			Run: exportDirectory,
		},
		remote.Command{
			Name: "import", Usage: "import a directory file, or the responses of an AMS", Args: "[FILE]", UncheckedArgs: true,
			Description: "FILE - is stdin. Entries that FILE does not name stay, unless --replace is given.\n" +
				"Without --yes it asks before it removes anything. With --ams it reads the files of\n" +
				"docs/how-to/import-ams.md; their tokens become digests before anything is sent. In\n" +
				"operator mode a project without an account gets one of its own: the API creates it\n" +
				"if operator.create_accounts is set; with -c this command does.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "ams", Usage: "`DIR` with the responses of an Argo Messaging Service, instead of FILE"},
				&cli.StringSliceFlag{Name: "account", Usage: "NATS `ACCOUNT` of projects that name none; with --ams also PROJECT=ACCOUNT for one project"},
				&cli.BoolFlag{Name: "replace", Usage: "remove entries that FILE does not name"},
				&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print what would change, without changing it"},
				remote.YesFlag("do not ask"),
				cmdutil.ConfigFlag(), cmdutil.WithoutFlag(), cmdutil.NoUsherFlag(),
			},
			Run: importDirectory,
		},
	)
}

func exportDirectory(ctx context.Context, r *remote.Session) error {
	to := r.CLI.String("to")
	if to == "" {
		return r.API.Export(ctx, r.CLI.App.Writer)
	}
	if _, err := os.Lstat(to); err == nil && !r.CLI.Bool("force") {
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("--to: %s: %w", to, os.ErrExist), Hint: "choose another name, or overwrite it with --force"}
	}
	// Read the whole export before touching the file.
	var text bytes.Buffer
	if err := r.API.Export(ctx, &text); err != nil {
		return err
	}
	if err := atomicfile.Write(to, text.Bytes(), 0o600, nil); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	r.Infof("wrote %s", secret.RedactDetected(to))
	return nil
}

func importDirectory(ctx context.Context, r *remote.Session) error {
	accounts, err := accountOptions(r.CLI)
	if err != nil {
		return err
	}
	var text []byte
	switch dir, from := r.CLI.String("ams"), r.Arg(0); {
	case r.CLI.NArg() > 1 || (dir == "") == (from == ""):
		return cmdutil.UsageError("usage: usher directory import FILE, or --ams DIR", "give one FILE or --ams DIR")
	case dir != "":
		text, err = readAMS(r, dir, accounts)
	case len(accounts.Accounts) > 0:
		return cmdutil.UsageError("set the account of the project in the file", "--account PROJECT=ACCOUNT needs --ams")
	default:
		text, err = readDirectory(r.CLI, from)
	}
	if err != nil {
		return err
	}
	o := client.ImportOptions{Replace: r.CLI.Bool("replace"), Account: accounts.Account}
	own, err := planAccounts(ctx, r, &text, accounts.Account != "")
	if err != nil {
		return err
	}
	defer own.close()
	if r.CLI.Bool("dry-run") {
		return dryRun(ctx, r, text, o, own)
	}
	if !r.CLI.Bool("yes") {
		if err := confirmImport(ctx, r, text, o); err != nil {
			return err
		}
	}
	if err := own.create(ctx, r); err != nil {
		return err
	}
	var done, total atomic.Int64
	var creatingAccounts atomic.Bool
	stop := cmdutil.ShowProgress(r.CLI, func() string {
		if creatingAccounts.Load() {
			return fmt.Sprintf("%d of %d accounts created", done.Load(), total.Load())
		}
		return fmt.Sprintf("%d of %d entries changed", done.Load(), total.Load())
	})
	result, err := r.API.Import(ctx, text, o, func(l *wire.ImportLine) {
		creatingAccounts.Store(l.Accounts)
		done.Store(int64(l.Done))
		total.Store(int64(l.Total))
	})
	stop()
	if err != nil {
		return err
	}
	return r.PrintDone(result, "changed %s", countsText(result))
}

// accountOptions reads --account.
func accountOptions(c *cli.Context) (ams.Options, error) {
	o := ams.Options{Accounts: map[string]string{}}
	for _, text := range c.StringSlice("account") {
		project, account, hasProject := strings.Cut(text, "=")
		if !hasProject {
			project, account = "", text
		}
		if err := directory.CheckAccount(account); err != nil {
			return o, cmdutil.UsageError("", "--account %w", err)
		}
		switch {
		case hasProject:
			o.Accounts[project] = account
		case o.Account != "":
			return o, cmdutil.UsageError("", "--account: more than one account for all projects")
		default:
			o.Account = account
		}
	}
	return o, nil
}

// readDirectory reads and parses a directory file, so that errors have file and line. The
// API could not tell them.
func readDirectory(c *cli.Context, path string) ([]byte, error) {
	var text []byte
	var err error
	if path == "-" {
		path = "stdin"
		text, err = io.ReadAll(io.LimitReader(c.App.Reader, file.MaxSize+1))
	} else {
		text, err = os.ReadFile(path) //nolint:gosec // the path is the user's
	}
	if err != nil {
		return nil, fault.InConfig(err)
	}
	if _, _, err := file.Parse(path, text); err != nil {
		return nil, fault.InConfig(err)
	}
	return text, nil
}

// readAMS converts the responses of an AMS to a directory file, and prints what it left
// out.
func readAMS(r *remote.Session, dir string, o ams.Options) ([]byte, error) {
	result, err := ams.Read(os.DirFS(dir), o)
	var problems directory.Problems
	if errors.As(err, &problems) {
		faults := make(strictyaml.Errors, len(problems))
		for i, p := range problems {
			name, path, _ := strings.Cut(p.Path, ": ")
			faults[i] = strictyaml.Error{File: filepath.Join(dir, name), Path: path, Message: p.Message, Hint: p.Hint}
		}
		return nil, fault.InConfig(faults)
	}
	if err != nil {
		return nil, err
	}
	for _, note := range result.Notes {
		fmt.Fprintln(r.CLI.App.ErrWriter, remote.Printable(note))
	}
	var text bytes.Buffer
	if err := file.Write(&text, result.Records); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func dryRun(ctx context.Context, r *remote.Session, text []byte, o client.ImportOptions, own *importAccounts) error {
	o.DryRun = true
	for _, name := range own.names {
		if !r.CLI.Bool("json") {
			fmt.Fprintln(r.CLI.App.Writer, "+ account "+name)
		}
	}
	result, err := r.API.Import(ctx, text, o, func(l *wire.ImportLine) {
		if !r.CLI.Bool("json") {
			fmt.Fprintln(r.CLI.App.Writer, remote.Printable(l.Diff))
		}
	})
	if err != nil {
		return err
	}
	return r.PrintDone(result, "would change %s", countsText(result))
}

// confirmImport shows what would change, and asks if something would be removed.
func confirmImport(ctx context.Context, r *remote.Session, text []byte, o client.ImportOptions) error {
	o.DryRun = true
	lines := 0
	result, err := r.API.Import(ctx, text, o, func(l *wire.ImportLine) {
		if lines++; lines <= maxShownDiff {
			r.Infof("%s", remote.Printable(l.Diff))
		}
	})
	if err != nil {
		return err
	}
	if lines > maxShownDiff {
		r.Infof("… and %s more; --dry-run prints all", plural.Count(lines-maxShownDiff, "line"))
	}
	removed := removedText(result)
	if removed == "" {
		return nil
	}
	return r.Confirm(func() (string, error) { return removed, nil })
}

// kinds returns the counts of an import by kind of entry.
func kinds(c *wire.ImportCounts) []struct {
	name  string
	count wire.ImportCount
} {
	return []struct {
		name  string
		count wire.ImportCount
	}{
		{"user", c.Users},
		{"key", c.Keys},
		{"project", c.Projects},
		{"member", c.Members},
		{"topic", c.Topics},
		{"subscription", c.Subscriptions},
		{"ACL", c.ACLs},
		{"ban", c.Bans},
	}
}

// countsText summarizes an import: "3 entries: users +1 ~2".
func countsText(result *wire.ImportResult) string {
	if result.Entries == 0 {
		return "nothing: the directory is up to date"
	}
	var parts []string
	for _, k := range kinds(&result.Counts) {
		part := k.name + "s"
		for _, n := range []struct {
			sign  string
			count int
		}{{"+", k.count.Added}, {"~", k.count.Changed}, {"-", k.count.Removed}} {
			if n.count > 0 {
				part += fmt.Sprintf(" %s%d", n.sign, n.count)
			}
		}
		if part != k.name+"s" {
			parts = append(parts, part)
		}
	}
	entries := "entries"
	if result.Entries == 1 {
		entries = "entry"
	}
	return fmt.Sprintf("%d %s: %s", result.Entries, entries, strings.Join(parts, ", "))
}

// removedText lists what an import removes, or returns "".
func removedText(result *wire.ImportResult) string {
	var parts []string
	for _, k := range kinds(&result.Counts) {
		if n := k.count.Removed; n > 0 {
			parts = append(parts, plural.Count(n, k.name))
		}
	}
	return strings.Join(parts, ", ")
}
