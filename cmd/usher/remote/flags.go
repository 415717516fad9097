package remote

import (
	"slices"
	"strings"
	"time"

	"usher/cmd/usher/cmdutil"

	"github.com/urfave/cli/v2"
)

// RenameOption returns the value of --name, or nil if it is not set.
func RenameOption(c *cli.Context) (*string, error) {
	if !c.IsSet("name") {
		return nil, nil
	}
	name := c.String("name")
	return &name, CheckName("--name", name)
}

// TextOption is an option that sets a text field of a request.
type TextOption[In any] struct {
	Name, Usage, DefaultText string
	Field                    func(*In) **string
}

// TextFlags returns the flags of text options.
func TextFlags[In any](options []TextOption[In]) []cli.Flag {
	var flags []cli.Flag
	for _, o := range options {
		flags = append(flags, &cli.StringFlag{Name: o.Name, Usage: o.Usage, DefaultText: o.DefaultText})
	}
	return flags
}

// SetTextFields sets the fields of a request whose options are given.
func SetTextFields[In any](c *cli.Context, in *In, options []TextOption[In]) {
	for _, o := range options {
		if c.IsSet(o.Name) {
			text := c.String(o.Name)
			*o.Field(in) = &text
		}
	}
}

// TimeOption reads an option that holds a time in RFC 3339. It returns nil if the option
// is not set.
func TimeOption(c *cli.Context, option string) (*time.Time, error) {
	if !c.IsSet(option) {
		return nil, nil
	}
	text := c.String(option)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, cmdutil.UsageError("such as --"+option+" 2030-01-01T00:00:00Z", "--%s %q is not a date and time with a zone (RFC 3339)", option, text)
	}
	return &at, nil
}

// ListOption returns the values of a repeatable option: nil if it is not set, and an empty
// list for a single empty value, which clears the field.
func ListOption(c *cli.Context, option string) []string {
	if !c.IsSet(option) {
		return nil
	}
	return slices.DeleteFunc(c.StringSlice(option), func(w string) bool { return w == "" })
}

// RequireChange returns a usage error if none of the options is set.
func RequireChange(c *cli.Context, flags []cli.Flag) error {
	var names []string
	for _, f := range flags {
		name := f.Names()[0]
		if c.IsSet(name) {
			return nil
		}
		names = append(names, "--"+name)
	}
	return cmdutil.UsageError("options: "+strings.Join(names, ", "), "no change given")
}
