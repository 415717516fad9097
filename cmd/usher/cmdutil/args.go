package cmdutil

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"usher/internal/plural"
	"usher/internal/secret"
	"usher/internal/shellword"
)

// ExactArgs reports a wrong number of arguments, or an option that follows an argument.
// It names the missing arguments as the usage text of the command does.
func ExactArgs(c *cli.Context, want int) error {
	for i, a := range c.Args().Slice() {
		if len(a) > 1 && a[0] == '-' {
			return UsageError(optionsFirst(c, i), "options come before arguments: %s", a)
		}
	}
	n := c.NArg()
	switch names := ArgumentNames(c.Command); {
	case n == want:
		return nil
	case n < want && len(names) >= want:
		missing := names[n:want]
		return UsageError(usageHint(c), "missing %s: %s", noun(len(missing)), strings.Join(missing, ", "))
	default:
		return UsageError(usageHint(c), "expected %s, found %d", plural.Count(want, "argument"), n)
	}
}

// RequireFlags reports a required option that is missing.
func RequireFlags(c *cli.Context, names ...string) error {
	for _, name := range names {
		if !c.IsSet(name) {
			return UsageError(usageHint(c), "--%s is missing", name)
		}
	}
	return nil
}

// optionsFirst is the hint for an option that follows the first n arguments: the command with
// these at its end. What may be a secret is not repeated.
func optionsFirst(c *cli.Context, n int) string {
	args := c.Args().Slice()
	if n == 0 || slices.ContainsFunc(args, secret.Detect) {
		return usageHint(c)
	}
	words := []string{c.Command.HelpName}
	if len(c.LocalFlagNames()) > 0 {
		words = append(words, "…") // the options that stand in the right place
	}
	for _, arg := range append(slices.Clone(args[n:]), args[:n]...) {
		words = append(words, shellword.Quote(arg))
	}
	return "write " + strings.Join(words, " ")
}

func usageHint(c *cli.Context) string {
	var b strings.Builder
	for i, line := range strings.Split(c.Command.UsageText, "\n") {
		words := strings.Fields(line)
		switch {
		case i == 0:
			b.WriteString("usage: ")
		case len(words) > 0 && words[0] == "usher": // another form of the same command
			b.WriteString("; or: ")
		default:
			b.WriteString(" ")
		}
		b.WriteString(strings.Join(words, " "))
	}
	return b.String()
}

func noun(n int) string {
	if n == 1 {
		return "argument"
	}
	return "arguments"
}

// ArgumentNames returns the names of a command's arguments, read from its usage text:
// "usher acl add [--topic T] USER..." has one argument, "USER...".
func ArgumentNames(c *cli.Command) []string {
	words := strings.Fields(c.UsageText)
	words = words[slices.Index(words, c.Name)+1:]
	var names []string
	isValue := false // the word is the value of the option before it
	for _, word := range words {
		switch name := strings.Trim(word, "[]"); {
		case word == "usher": // another form of the same command follows
			return names
		case isValue:
			isValue = false
		case strings.HasPrefix(name, "-"):
			isValue = !strings.HasSuffix(word, "]")
		default:
			names = append(names, name)
		}
	}
	return names
}
