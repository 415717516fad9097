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

// maxShownDiff is how many lines of a diff an import shows that is about to change
// something; --dry-run shows all.
const maxShownDiff = 40

func DirectoryCommand() *cli.Command {
	return remote.Group("directory", "export and import the whole directory",
		remote.Command{
			Name: "export", Usage: "write the whole directory as a directory file", Details: "It is YAML, and holds digests of keys, and no key.",
			NoJSON: true,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "to", Usage: "new `FILE` to write to, which only you can read; default: stdout"},
				&cli.BoolFlag{Name: "force", Usage: "write over FILE"},
			},
			Run: exportDirectory,
		},
		remote.Command{
			Name: "import", Usage: "take a directory file, or what an AMS has answered, into the directory", Args: "[FILE]", AnyArgs: true,
			Details: "FILE - is stdin. What it does not name stays, unless --replace is given. Without\n" +
				"--yes it says what would be removed, and asks. With --ams it reads the files of\n" +
				"docs/how-to/import-ams.md, whose tokens become digests before anything is sent. In\n" +
				"operator mode projects that state no account get accounts of their own: from the\n" +
				"API if that may make them (operator.create_accounts); with -c from here.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "ams", Usage: "`DIR` with what an Argo Messaging Service has answered, in place of FILE"},
				&cli.StringSliceFlag{Name: "account", Usage: "NATS `ACCOUNT` of projects that state none; with --ams also PROJECT=ACCOUNT of one"},
				&cli.BoolFlag{Name: "replace", Usage: "remove what is not named"},
				&cli.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "print what would change, and change nothing"},
				remote.YesFlag("do not ask"),
				cmdutil.ConfigFlag(), cmdutil.WithoutFlag(), cmdutil.NoUsherFlag(),
			},
			Run: importDirectory,
		},
	)
}

func exportDirectory(ctx context.Context, r *remote.Remote) error {
	to := r.CLI.String("to")
	if to == "" {
		return r.API.Export(ctx, r.CLI.App.Writer)
	}
	if _, err := os.Lstat(to); err == nil && !r.CLI.Bool("force") {
		return &fault.Error{Kind: fault.Runtime, Err: fmt.Errorf("--to: %s: %w", to, os.ErrExist), Hint: "give another name; --force writes over it"}
	}
	// All of it has come before a file is touched.
	var text bytes.Buffer
	if err := r.API.Export(ctx, &text); err != nil {
		return err
	}
	if err := atomicfile.Write(to, text.Bytes(), 0o600, nil); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	r.Tell("wrote %s", secret.RedactDetected(to))
	return nil
}

func importDirectory(ctx context.Context, r *remote.Remote) error {
	accounts, err := accountsOf(r.CLI)
	if err != nil {
		return err
	}
	var text []byte
	switch dir, from := r.CLI.String("ams"), r.Arg(0); {
	case r.CLI.NArg() > 1 || (dir == "") == (from == ""):
		return cmdutil.UsageError("usage: usher directory import FILE, or --ams DIR", "from which file?")
	case dir != "":
		text, err = readAMS(r, dir, accounts)
	case len(accounts.Accounts) > 0:
		return cmdutil.UsageError("let the projects state it in the file", "--account PROJECT=ACCOUNT goes with --ams")
	default:
		text, err = readDirectory(r.CLI, from)
	}
	if err != nil {
		return err
	}
	o := client.ImportOptions{Replace: r.CLI.Bool("replace"), Account: accounts.Account}
	own, err := ownAccounts(ctx, r, &text, accounts.Account != "")
	if err != nil {
		return err
	}
	defer own.end()
	if r.CLI.Bool("dry-run") {
		return dryRun(ctx, r, text, o, own)
	}
	if !r.CLI.Bool("yes") {
		if err := agree(ctx, r, text, o); err != nil {
			return err
		}
	}
	if err := own.open(ctx, r); err != nil {
		return err
	}
	var done, total atomic.Int64
	var making atomic.Bool
	stop := cmdutil.ShowProgress(r.CLI, func() string {
		if making.Load() {
			return fmt.Sprintf("%d of %d accounts made", done.Load(), total.Load())
		}
		return fmt.Sprintf("%d of %d entries changed", done.Load(), total.Load())
	})
	result, err := r.API.Import(ctx, text, o, func(l *wire.ImportLine) {
		making.Store(l.Accounts)
		done.Store(int64(l.Done))
		total.Store(int64(l.Total))
	})
	stop()
	if err != nil {
		return err
	}
	return r.Done(result, "changed %s", countsText(result))
}

// accountsOf reads --account.
func accountsOf(c *cli.Context) (ams.Options, error) {
	o := ams.Options{Accounts: map[string]string{}}
	for _, text := range c.StringSlice("account") {
		project, account, one := strings.Cut(text, "=")
		if !one {
			project, account = "", text
		}
		if err := directory.CheckAccount(account); err != nil {
			return o, cmdutil.UsageError("", "--account %w", err)
		}
		switch {
		case one:
			o.Accounts[project] = account
		case o.Account != "":
			return o, cmdutil.UsageError("", "--account names two accounts for the same projects")
		default:
			o.Account = account
		}
	}
	return o, nil
}

// readDirectory reads a directory file, and says here what is wrong with its form:
// where that is, only its reader knows.
func readDirectory(c *cli.Context, path string) ([]byte, error) {
	var text []byte
	var err error
	if path == "-" {
		path = "stdin"
		text, err = io.ReadAll(io.LimitReader(c.App.Reader, file.MaxSize+1))
	} else {
		text, err = os.ReadFile(path) //nolint:gosec // whoever runs it says which file
	}
	if err != nil {
		return nil, fault.InConfig(err)
	}
	if _, _, err := file.Parse(path, text); err != nil {
		return nil, fault.InConfig(err)
	}
	return text, nil
}

// readAMS makes a directory file of what an AMS has answered, and tells what was
// left out.
func readAMS(r *remote.Remote, dir string, o ams.Options) ([]byte, error) {
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

func dryRun(ctx context.Context, r *remote.Remote, text []byte, o client.ImportOptions, own *importAccounts) error {
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
	return r.Done(result, "would change %s", countsText(result))
}

// agree shows what is about to change, and asks if something is to be removed.
func agree(ctx context.Context, r *remote.Remote, text []byte, o client.ImportOptions) error {
	o.DryRun = true
	lines := 0
	result, err := r.API.Import(ctx, text, o, func(l *wire.ImportLine) {
		if lines++; lines <= maxShownDiff {
			r.Tell("%s", remote.Printable(l.Diff))
		}
	})
	if err != nil {
		return err
	}
	if lines > maxShownDiff {
		r.Tell("… and %s more; --dry-run prints all", plural.Count(lines-maxShownDiff, "line"))
	}
	removed := removedText(result)
	if removed == "" {
		return nil
	}
	return r.Confirm(func() (string, error) { return removed, nil })
}

// kinds lists what an import counts.
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
	}
}

// countsText says what an import has changed: "3 entries: users +1 ~2".
func countsText(result *wire.ImportResult) string {
	if result.Entries == 0 {
		return "nothing: it is so already"
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

// removedText says what would go; empty: nothing.
func removedText(result *wire.ImportResult) string {
	var parts []string
	for _, k := range kinds(&result.Counts) {
		if n := k.count.Removed; n > 0 {
			parts = append(parts, plural.Count(n, k.name))
		}
	}
	return strings.Join(parts, ", ")
}
