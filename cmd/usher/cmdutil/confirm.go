package cmdutil

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// Confirm asks a question on the terminal and returns nil if the answer is yes. It returns
// refused if it is no, and unanswered if there is no terminal or no answer.
func Confirm(c *cli.Context, question string, unanswered, refused error) error {
	if !IsTerminal(c.App.Reader) {
		return unanswered
	}
	fmt.Fprintf(c.App.ErrWriter, "%s Continue? [y/N] ", question)
	answer, err := bufio.NewReader(c.App.Reader).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if err != nil { // end of input
			fmt.Fprintln(c.App.ErrWriter)
			return unanswered
		}
	}
	return refused
}
