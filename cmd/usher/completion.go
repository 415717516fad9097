package main

import (
	"embed"
	"fmt"
	"strings"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// shells holds one script for each shell that completes. A script asks the
// program itself, so that it never says what the program does not know.
//
//go:embed shells
var shells embed.FS

// completeWords is the hidden command that the scripts run.
const completeWords = "__complete"

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that completes commands and options in a shell",
		UsageText: "usher completion bash|zsh|fish",
		Description: "bash:  source <(usher completion bash)                in ~/.bashrc\n" +
			"zsh:   source <(usher completion zsh)                 in ~/.zshrc, after compinit\n" +
			"fish:  usher completion fish > ~/.config/fish/completions/usher.fish",
		Action: func(c *cli.Context) error {
			if err := cmdutil.Arguments(c, 1); err != nil {
				return err
			}
			script, err := shells.ReadFile("shells/usher." + c.Args().First())
			if err != nil {
				return cmdutil.UsageError("bash, zsh or fish", "%q is no shell that usher completes in", c.Args().First())
			}
			_, err = c.App.Writer.Write(script)
			return err
		},
	}
}

// completeCommand prints what could stand for the last of its arguments, which are
// the words of a command line after the program's name: a word on each line, and
// after a tab what it is. The line ":files" stands for the names of files.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name: completeWords, Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			for _, o := range complete(cmdutil.Root(c.App), c.Args().Slice()) {
				if _, err := fmt.Fprintln(c.App.Writer, strings.TrimSuffix(o.Word+"\t"+o.About, "\t")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
