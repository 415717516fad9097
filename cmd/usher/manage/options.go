package manage

import (
	"slices"
	"strings"
	"time"
	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// newName returns what a thing is to be called; nil: as it is.
func newName(c *cli.Context) (*string, error) {
	if !c.IsSet("name") {
		return nil, nil
	}
	name := c.String("name")
	return &name, checkName("--name", name)
}

// textOption is an option whose text goes into a field of a request, if it is given.
type textOption[In any] struct {
	name, usage string
	field       func(*In) **string
}

func textFlags[In any](options []textOption[In]) []cli.Flag {
	var flags []cli.Flag
	for _, o := range options {
		flags = append(flags, &cli.StringFlag{Name: o.name, Usage: o.usage})
	}
	return flags
}

// fill takes the options that are given over into a request.
func fill[In any](c *cli.Context, in *In, options []textOption[In]) {
	for _, o := range options {
		if c.IsSet(o.name) {
			text := c.String(o.name)
			*o.field(in) = &text
		}
	}
}

// instant reads an option that is a point in time; nil: it is not given.
func instant(c *cli.Context, option string) (*time.Time, error) {
	if !c.IsSet(option) {
		return nil, nil
	}
	text := c.String(option)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, cmdutil.UsageError("such as --"+option+" 2030-01-01T00:00:00Z", "--%s %q is not a date and time with its zone (RFC 3339)", option, text)
	}
	return &at, nil
}

// words returns what an option that may be repeated was given; nil: it was not, and
// no words: one empty text.
func words(c *cli.Context, option string) []string {
	if !c.IsSet(option) {
		return nil
	}
	return slices.DeleteFunc(c.StringSlice(option), func(w string) bool { return w == "" })
}

// changes reports a change of nothing.
func changes(c *cli.Context, flags []cli.Flag) error {
	var names []string
	for _, f := range flags {
		name := f.Names()[0]
		if c.IsSet(name) {
			return nil
		}
		names = append(names, "--"+name)
	}
	return cmdutil.UsageError("options: "+strings.Join(names, ", "), "what is to change?")
}
