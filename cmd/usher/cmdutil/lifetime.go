package cmdutil

import (
	"time"

	"github.com/urfave/cli/v2"
)

// Lifetime reads an option that is a time, longer than none: short says why. 0: it
// is not given.
func Lifetime(c *cli.Context, option, short string) (time.Duration, error) {
	if !c.IsSet(option) {
		return 0, nil
	}
	example := "such as --" + option + " 720h"
	d, err := time.ParseDuration(c.String(option))
	switch {
	case err != nil:
		return 0, UsageError(example, "--%s %q is not a time: a day is 24h", option, c.String(option))
	case d <= 0:
		return 0, UsageError(example, "--%s %s: %s", option, d, short)
	default:
		return d, nil
	}
}
