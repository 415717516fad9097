package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/internal/phc"
)

func passwordCommand() *cli.Command {
	return &cli.Command{
		Name:  "password",
		Usage: "hash passwords",
		Subcommands: []*cli.Command{{
			Name:      "hash",
			Usage:     "hash a password for a user of directory.yaml",
			UsageText: "usher password hash [--password-file FILE]",
			Description: "Asks for the password on the terminal, or reads it from --password-file. Prints its\n" +
				"argon2id hash on stdout, for password.hash of a user in directory.yaml.",
			Flags:  []cli.Flag{cmdutil.PasswordFlag()},
			Action: passwordHash,
		}},
	}
}

func passwordHash(c *cli.Context) error {
	if err := cmdutil.ExactArgs(c, 0); err != nil {
		return err
	}
	text, err := cmdutil.ReadPassword(c)
	if err != nil {
		return err
	}
	hash, err := phc.New(text, rand.Reader)
	if errors.Is(err, phc.ErrLongPassword) {
		return cmdutil.UsageError("", "%w", err)
	}
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	_, err = fmt.Fprintln(c.App.Writer, hash)
	return err
}
