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

// defaultKey is the id of the key that a new user gets.
const defaultKey = "default"

func bootstrapCommand() *cli.Command {
	return &cli.Command{
		Name:      "bootstrap",
		Usage:     "make the first service admin of an empty directory",
		UsageText: "usher bootstrap -c FILE [--user NAME] [--again] [--to FILE] [--json]",
		Description: "Prints the key on stdout, once: usher keeps its digest only. Nothing is changed\n" +
			"unless it could be written. A directory with anything in it is left as it is, so\n" +
			"this works once. The directory has to be a bucket (directory.from: kv or embedded),\n" +
			"which is made if it is missing.\n\n" +
			"With --again, for when its key is lost: makes another key for the service admin\n" +
			"NAME, and enables it; its other keys stay. Where no service admin can get in any\n" +
			"more, NAME may be anybody, and becomes one.",
		Flags: []cli.Flag{
			cmdutil.ConfigFlag(),
			&cli.StringFlag{Name: "user", Value: "admin", Usage: "`NAME` of the service admin"},
			&cli.BoolFlag{Name: "again", Usage: "make another key, in a directory that is not empty"},
			remote.ToFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print user and key as JSON"},
		},
		Action: bootstrap,
	}
}

func bootstrap(c *cli.Context) error {
	if err := cmdutil.Arguments(c, 0); err != nil {
		return err
	}
	name := c.String("user")
	if err := directory.CheckName(name); err != nil {
		return cmdutil.UsageError("", "user name %w", err)
	}
	if name == wire.ProfileUser {
		return cmdutil.UsageError("", "user name %q is reserved: the API has something else there", name)
	}
	cfg, err := cmdutil.LoadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Directory.From == config.DirectoryFile {
		return &fault.Error{
			Kind: fault.Config, Err: fmt.Errorf("directory.from is %s: that directory is edited", cfg.Directory.From),
			Hint: "usher apikey new makes a key for it; or set directory.from: kv",
		}
	}
	out, err := remote.OpenKeyOutput(c)
	if err != nil {
		return err
	}
	defer out.Drop()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return fmt.Errorf("make API key: %w", err)
	}
	a := &adminKey{name: name, again: c.Bool("again"), key: key, id: uuid.New(), now: time.Now().UTC().Truncate(time.Second)}
	a.write = func() error {
		if c.Bool("json") {
			return json.NewEncoder(c.App.Writer).Encode(newKey{User: name, Key: key, Digest: directory.DigestOf(key).String(), ID: a.keyID})
		}
		return out.Write(key)
	}
	if err := makeAdminKey(c, cfg, a); err != nil {
		return a.leftover(c, out, err)
	}
	if !c.Bool("json") {
		cmdutil.Say(c.App.ErrWriter, "note", a.made()+"; its key is "+out.Where()+", shown this once")
	}
	return nil
}

// makeAdminKey makes the key that a says in the directory of a configuration, and
// audits that.
func makeAdminKey(c *cli.Context, cfg *config.Config, a *adminKey) error {
	s, err := assembly.OpenDirectory(cfg, slog.New(slog.DiscardHandler), time.Now, assembly.Observers{})
	if err != nil {
		return err
	}
	note, end, err := following(c.Context, s, c.App.ErrWriter)
	if err != nil {
		return err
	}
	if note != "" {
		return errors.Join(&fault.Error{Kind: fault.Runtime, Err: errors.New(note), Hint: "usher check says what is in the way"}, end())
	}
	events, err := assembly.OpenAudit(&cfg.Audit, slog.New(slog.DiscardHandler), c.App.ErrWriter)
	if err != nil {
		return errors.Join(fault.InConfig(err), end())
	}
	bucket := s.(*assembly.Bucket).Store
	change := audit.Change{
		Time: time.Now(), RequestID: assembly.NewRequestID(), Action: "bootstrap", Resource: "/users/" + a.name, Outcome: audit.Changed,
	}
	if a.again {
		change.Action = "bootstrap.again"
	}
	change.Revision, err = a.make(c.Context, bucket)
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
	return errors.Join(err, events.Close(), end())
}

// make makes the key, and returns the revision of the directory with it.
func (a *adminKey) make(ctx context.Context, s *kv.Store) (uint64, error) {
	next, err := s.Change(ctx, func(now *snapshot.Snapshot) ([]directory.Entry, error) {
		return a.change(now, s.Status().Faults)
	})
	if err != nil {
		return 0, err
	}
	return next.Revision(directory.KeyKey(a.id, a.keyID)), nil
}

// leftover says what has become of a key that was written before the change that
// makes it good has failed.
func (a *adminKey) leftover(c *cli.Context, out *remote.KeyOutput, err error) error {
	switch {
	case !a.written:
		return err
	case errors.Is(err, kv.ErrUnavailable):
		return &fault.Error{
			Kind: fault.Runtime, Err: fmt.Errorf("it is not known whether this was done: %w", err),
			Hint: "keep the key that is " + out.Where() + " until usher user profile says whether it is good",
		}
	}
	if out.File == nil {
		cmdutil.Say(c.App.ErrWriter, "note", "nothing was changed: the key on stdout is good for nothing")
	}
	out.Written = false
	return err
}
