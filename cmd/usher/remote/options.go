package remote

import (
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// NewName returns what a thing is to be called; nil: as it is.
func NewName(c *cli.Context) (*string, error) {
	if !c.IsSet("name") {
		return nil, nil
	}
	name := c.String("name")
	return &name, CheckName("--name", name)
}

// TextOption is an option whose text goes into a field of a request, if it is given.
type TextOption[In any] struct {
	Name, Usage string
	Field       func(*In) **string
}

func TextFlags[In any](options []TextOption[In]) []cli.Flag {
	var flags []cli.Flag
	for _, o := range options {
		flags = append(flags, &cli.StringFlag{Name: o.Name, Usage: o.Usage})
	}
	return flags
}

// Fill takes the options that are given over into a request.
func Fill[In any](c *cli.Context, in *In, options []TextOption[In]) {
	for _, o := range options {
		if c.IsSet(o.Name) {
			text := c.String(o.Name)
			*o.Field(in) = &text
		}
	}
}

// Instant reads an option that is a point in time; nil: it is not given.
func Instant(c *cli.Context, option string) (*time.Time, error) {
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

// Values returns what an option that may be repeated was given; nil: it was not, and
// no words: one empty text.
func Values(c *cli.Context, option string) []string {
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
