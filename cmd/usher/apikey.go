package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
	"usher/tokens/apikey"
)

func apikeyCommand() *cli.Command {
	return &cli.Command{
		Name:  "apikey",
		Usage: "create API keys",
		Subcommands: []*cli.Command{{
			Name:      "new",
			Usage:     "create an API key for a user of directory.yaml",
			UsageText: "usher apikey new --user NAME [--service-role SERVICE_ROLE]... [--id ID]\n      [--expires-in TIME] [--to FILE] [--json]",
			Description: "Prints the key on stdout once; usher stores only its digest. Prints the lines for\n" +
				"directory.yaml, with the digest, on stderr. With --service-role they are those of a\n" +
				"new user, such as the first service_admin, whose key the management API needs.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "user", Usage: "`NAME` of the user"},
				&cli.StringSliceFlag{Name: "service-role", Usage: "`SERVICE_ROLE` of a new user: " + cmdutil.JoinValues(directory.ServiceRoles())},
				&cli.StringFlag{Name: "id", Usage: "`ID` of the key in logs", DefaultText: "the first digits of its digest"},
				&cli.StringFlag{Name: "expires-in", Usage: "`TIME` for which the key is valid, such as 720h", DefaultText: "no expiry"},
				remote.KeyOutputFlag(),
				&cli.BoolFlag{Name: "json", Usage: "print key and digest as JSON on stdout"},
			},
			Action: apikeyNew,
		}},
	}
}

type newKey struct {
	User    string     `json:"user"`
	Key     string     `json:"key"`
	Digest  string     `json:"digest"`
	ID      string     `json:"id"`
	Expires *time.Time `json:"expires,omitempty"`
	Roles   []string   `json:"service_roles,omitempty"`
}

func apikeyNew(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	user, id := c.String("user"), c.String("id")
	if user == "" {
		return cmdutil.UsageError("name the user with --user NAME", "--user is missing")
	}
	if err := directory.CheckName(user); err != nil {
		return cmdutil.UsageError("", "user name %w", err)
	}
	if err := directory.CheckName(id); id != "" && err != nil {
		return cmdutil.UsageError("", "key id %w", err)
	}
	life, err := cmdutil.PositiveDuration(c, "expires-in", "the key would be expired already")
	if err != nil {
		return err
	}
	roles := c.StringSlice("service-role")
	if err := cmdutil.CheckValues("--service-role", roles, directory.ServiceRoles()); err != nil {
		return err
	}
	to, err := remote.OpenKeyOutput(c)
	if err != nil {
		return err
	}
	defer to.Close()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	digest := directory.DigestOf(key)
	out := newKey{User: user, Key: key, Digest: digest.String(), ID: id, Roles: roles}
	if life > 0 {
		end := time.Now().Add(life).UTC().Truncate(time.Second)
		out.Expires = &end
	}
	if out.ID == "" {
		out.ID = digest.KeyID()
	}
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(out)
	}
	if err := to.Write(key); err != nil {
		return err
	}
	_, err = fmt.Fprint(c.App.ErrWriter, out.lines(id != ""))
	return err
}

// lines returns the lines for directory.yaml: those of the key, or, with service roles,
// those of a new user.
func (k *newKey) lines(withID bool) string {
	entry := k.yaml(withID)
	if len(k.Roles) == 0 {
		return fmt.Sprintf("# under keys: of user %s in directory.yaml\n%s", k.User, entry)
	}
	const indent = "    "
	entry = indent + "  " + strings.ReplaceAll(strings.TrimSuffix(entry, "\n"), "\n", "\n"+indent+"  ") + "\n"
	return fmt.Sprintf("# under users: in directory.yaml, in place of [] if there are none\n  - name: %s\n    service_roles: [%s]\n    keys:\n%s",
		k.User, strings.Join(k.Roles, ", "), entry)
}

// yaml returns the entry for directory.yaml.
func (k *newKey) yaml(withID bool) string {
	text := "- digest: " + k.Digest + "\n"
	if withID {
		text += "  id: " + k.ID + "\n"
	}
	if k.Expires != nil {
		text += "  expires: " + k.Expires.Format(time.RFC3339) + "\n"
	}
	return text
}
