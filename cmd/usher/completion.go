package main

import (
	"embed"
	"fmt"
	"strings"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// shells holds one completion script for each shell. The scripts run completeWords, so that
// they always match the program.
//
//go:embed shells
var shells embed.FS

// completeWords is the hidden command that the completion scripts run.
const completeWords = "__complete"

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a shell completion script",
		UsageText: "usher completion bash|zsh|fish",
		Description: "bash:  source <(usher completion bash)                in ~/.bashrc\n" +
			"zsh:   source <(usher completion zsh)                 in ~/.zshrc, after compinit\n" +
			"fish:  usher completion fish > ~/.config/fish/completions/usher.fish",
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 1); err != nil {
				return err
			}
			shell := c.Args().First()
			if err := cmdutil.CheckValues("shell", []string{shell}, []string{"bash", "zsh", "fish"}); err != nil {
				return err
			}
			script, err := shells.ReadFile("shells/usher." + shell)
			if err != nil {
				return err
			}
			_, err = c.App.Writer.Write(script)
			return err
		},
	}
}

// completeCommand prints the completions of the last of its arguments, which are the words
// of a command line after the program's name. Each line is a word, and after a tab its
// description. The line ":files" stands for file names.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name: completeWords, Hidden: true, SkipFlagParsing: true,
		Action: func(c *cli.Context) error {
			for _, o := range complete(cmdutil.RootCommand(c.App), c.Args().Slice()) {
				if _, err := fmt.Fprintln(c.App.Writer, strings.TrimSuffix(o.Word+"\t"+o.Description, "\t")); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
