package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"usher/audit"
	"usher/config"
	"usher/directory"
	"usher/directory/kv"
	"usher/tokens/apikey"
)

// defaultKey is the id of the key that a new user gets.
const defaultKey = "default"

func bootstrapCommand() *cli.Command {
	return &cli.Command{
		Name:      "bootstrap",
		Usage:     "make the first service admin of an empty directory",
		UsageText: "usher bootstrap -c FILE [--user NAME] [--to FILE] [--json]",
		Description: "Prints the key on stdout, once: usher keeps its digest only. A directory with\n" +
			"anything in it is left as it is, so this works once. The directory has to be a\n" +
			"bucket (directory.from: kv or embedded), which is made if it is missing.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "user", Value: "admin", Usage: "`NAME` of the service admin"},
			toFlag(),
			&cli.BoolFlag{Name: "json", Usage: "print user and key as JSON"},
		},
		Action: bootstrap,
	}
}

var errNotEmpty = errors.New("the directory is not empty")

func bootstrap(c *cli.Context) error {
	if err := arguments(c, 0); err != nil {
		return err
	}
	name := c.String("user")
	if err := directory.CheckName(name); err != nil {
		return usageError("", "user name %w", err)
	}
	cfg, err := loadConfig(c)
	if err != nil {
		return err
	}
	if cfg.Directory.From == config.DirectoryFile {
		return &exitError{
			code: exitConfig, err: fmt.Errorf("directory.from is %s: that directory is edited", cfg.Directory.From),
			hint: "usher apikey new makes a key for it; or set directory.from: kv",
		}
	}
	out, err := openKeyOutput(c)
	if err != nil {
		return err
	}
	defer out.drop()
	key, err := makeFirstAdmin(c, cfg, name)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(newKey{User: name, Key: key, Digest: directory.DigestOf(key).String(), ID: defaultKey})
	}
	say(c.App.ErrWriter, "note", "made service admin "+name+"; its key is "+out.where()+", shown this once")
	return out.write(key)
}

func makeFirstAdmin(c *cli.Context, cfg *config.Config, name string) (string, error) {
	s, err := openDirectory(cfg, discardLog(), time.Now, told{})
	if err != nil {
		return "", err
	}
	_, end, err := following(c.Context, s)
	if err != nil {
		return "", err
	}
	in := &instance{cfg: cfg, log: discardLog()}
	if err := in.openAudit(c.App.ErrWriter); err != nil {
		return "", errors.Join(configError(err), end())
	}
	change := audit.Change{
		Time: time.Now(), RequestID: newRequestID(), Action: "bootstrap", Resource: "/users/" + name, Outcome: audit.Changed,
		After: json.RawMessage(`{"service_roles":["service_admin"]}`),
	}
	key, err := firstAdmin(c, s.(*kvStore).Store, name)
	switch {
	case errors.Is(err, errNotEmpty):
		change.Outcome, change.Cause, change.After = audit.Refused, errNotEmpty.Error(), nil
	case err != nil:
		change.Outcome, change.Cause, change.After = audit.Failed, err.Error(), nil
	}
	change.Total = time.Since(change.Time)
	in.audit.WriteChange(change)
	return key, errors.Join(err, in.closeAudit(), end())
}

// firstAdmin makes the service admin, and returns the key.
func firstAdmin(c *cli.Context, s *kv.Store, name string) (string, error) {
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make API key: %w", err)
	}
	id, now := uuid.New(), time.Now().UTC().Truncate(time.Second)
	_, err = s.Change(c.Context, func(s *directory.Snapshot) ([]directory.Entry, error) {
		if s.Size() != (directory.Size{}) {
			return nil, &exitError{
				code: exitDenied, err: errNotEmpty,
				hint: "a service admin of it makes others: usher user add --service-role service_admin NAME",
			}
		}
		user := &directory.User{
			Name: name, ServiceRoles: []directory.ServiceRole{directory.ServiceRoleAdmin},
			Made: directory.Made{Created: now, Modified: now},
		}
		return append(directory.Put(directory.UserKey(id), user),
			directory.Put(directory.KeyKey(id, defaultKey), &directory.Key{Digest: directory.DigestOf(key), Created: now})...), nil
	})
	return key, err
}
