package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/fault"
	"usher/issuer"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/app/assembly"
	"usher/app/config"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/tokens/apikey"
)

// defaultKey is the ID of the first key of a new user.
const defaultKey = "default"

func bootstrapCommand() *cli.Command {
	return &cli.Command{
		Name:      "bootstrap",
		Usage:     "create the first service admin of an empty directory",
		UsageText: "usher bootstrap -c FILE [--user NAME] [--again] [--to FILE] [--json]",
		Description: "Prints the key on stdout once; usher stores only its digest. The directory changes\n" +
			"only after the key was written. It has to be empty, so this works once, and it has\n" +
			"to be a bucket (directory.from: kv or embedded), which is created if missing.\n\n" +
			"If the key is lost, use --again: it creates another key for the service admin NAME\n" +
			"and enables the user; other keys stay. If no service admin has a valid key, NAME\n" +
			"may be any user, and becomes a service admin.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "user", Value: "admin", Usage: "`NAME` of the service admin"},
			&cli.BoolFlag{Name: "again", Usage: "create another key in a directory that is not empty"},
			remote.KeyOutputFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print user and key as JSON"},
		},
		Action: bootstrap,
	}
}

func bootstrap(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	name := c.String("user")
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "user name %w", err)
	}
	if name == wire.ProfileUser {
		return cmdutil.UsageError("", "user name %q is reserved by the API", name)
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Directory.From == config.DirectoryFile {
		return &fault.Error{
			Kind: fault.Config, Err: fmt.Errorf("directory.from is %s: edit that file to add users", cfg.Directory.From),
			Hint: "usher apikey new --user admin --service-role service_admin prints the lines for that file; or set directory.from: kv",
		}
	}
	out, err := remote.OpenKeyOutput(c)
	if err != nil {
		return err
	}
	defer out.Close()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	a := &adminKey{name: name, again: c.Bool("again"), key: key, id: uuid.New(), now: time.Now().UTC().Truncate(time.Second)}
	a.write = func() error {
		if c.Bool("json") {
			return json.NewEncoder(c.App.Writer).Encode(newKey{User: name, Key: key, Digest: directory.DigestOf(key).String(), ID: a.keyID})
		}
		return out.Write(key)
	}
	if err := createAdminKey(c, cfg, a); err != nil {
		return a.writtenKeyError(c, out, err)
	}
	if !c.Bool("json") {
		cmdutil.Note(c.App.ErrWriter, a.summary()+"; key "+out.Destination()+"; it cannot be shown again")
	}
	return nil
}

// createAdminKey creates the key in the directory of a configuration, and writes an audit
// record.
func createAdminKey(c *cli.Context, cfg *config.Config, a *adminKey) error {
	s, err := assembly.OpenDirectory(cfg, slog.New(slog.DiscardHandler), time.Now, assembly.Observers{})
	if err != nil {
		return err
	}
	note, stop, err := runStore(c.Context, s, c.App.ErrWriter)
	if err != nil {
		return err
	}
	if note != "" {
		return errors.Join(&fault.Error{Kind: fault.Runtime, Err: errors.New(note), Hint: "find the cause with usher check"}, stop())
	}
	keys, err := assembly.LoadKeyring(cfg)
	if err != nil {
		return errors.Join(err, stop())
	}
	events, err := assembly.OpenAudit(&assembly.AuditConfig{
		Config: cfg, Keyring: func() *issuer.Keyring { return keys }, Spool: assembly.NoSpool,
		Log: slog.New(slog.DiscardHandler), Stderr: c.App.ErrWriter, Now: time.Now,
	})
	if err != nil {
		return errors.Join(fault.InConfig(err), stop())
	}
	bucket := s.(*assembly.Bucket).Store
	change := audit.Change{
		Time: time.Now(), RequestID: assembly.NewRequestID(), Action: "bootstrap", Resource: "/users/" + a.name, Outcome: audit.Changed,
	}
	if a.again {
		change.Action = "bootstrap.again"
	}
	change.Revision, err = a.create(c.Context, bucket)
	switch {
	case err == nil:
		change.Before, change.After = a.before, a.after
	case errors.Is(err, errNotEmpty), errors.Is(err, errNoAdmin), errors.As(err, &directory.Problems{}):
		change.Outcome, change.Cause = audit.Refused, err.Error()
	default:
		change.Outcome, change.Cause = audit.Failed, err.Error()
	}
	change.Total = time.Since(change.Time)
	events.WriteChange(change)
	return errors.Join(err, events.Close(), stop())
}

// create creates the key, and returns the revision of its entry.
func (a *adminKey) create(ctx context.Context, s *kv.Store) (uint64, error) {
	changed, err := s.Change(ctx, func(current *snapshot.Snapshot) ([]directory.Entry, error) {
		return a.change(current, s.Status().Faults)
	})
	if err != nil {
		return 0, err
	}
	return changed.Revision(directory.KeyKey(a.id, a.keyID)), nil
}

// writtenKeyError returns the error of a failed change. If the key was written already, it
// says whether the key can be valid.
func (a *adminKey) writtenKeyError(c *cli.Context, out *remote.KeyOutput, err error) error {
	switch {
	case !a.written:
		return err
	case errors.Is(err, kv.ErrUnavailable):
		return &fault.Error{
			Kind: fault.Runtime, Err: fmt.Errorf("the outcome is unknown: %w", err),
			Hint: "keep the key that was " + out.Destination() + " until usher user profile shows whether it is valid",
		}
	}
	if out.File == nil {
		cmdutil.Note(c.App.ErrWriter, "nothing was changed: the key on stdout is not valid")
	}
	out.Written = false
	return err
}
