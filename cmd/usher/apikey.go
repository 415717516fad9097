package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
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
			UsageText: "usher apikey new --user NAME [--id ID] [--expires-in TIME] [--json]",
			Description: "Prints the key on stdout once; usher stores only its digest. Prints the lines for\n" +
				"directory.yaml, with the digest, on stderr.",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "user", Usage: "`NAME` of the user"},
				&cli.StringFlag{Name: "id", Usage: "`ID` of the key in logs", DefaultText: "the first digits of its digest"},
				&cli.StringFlag{Name: "expires-in", Usage: "`TIME` for which the key is valid, such as 720h", DefaultText: "no expiry"},
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
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return fmt.Errorf("create API key: %w", err)
	}
	digest := directory.DigestOf(key)
	out := newKey{User: user, Key: key, Digest: digest.String(), ID: id}
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
	if _, err := fmt.Fprintln(c.App.Writer, key); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.ErrWriter, "# under keys: of user %s in directory.yaml\n%s", user, out.yaml(id != ""))
	return err
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
