package cmdutil

import (
	"time"

	"github.com/urfave/cli/v2"
)

// PositiveDuration reads an option that holds a duration above 0. It returns 0 if the
// option is not set. whyNot completes the error for a duration of 0 or less.
func PositiveDuration(c *cli.Context, option, whyNot string) (time.Duration, error) {
	if !c.IsSet(option) {
		return 0, nil
	}
	example := "such as --" + option + " 720h"
	d, err := time.ParseDuration(c.String(option))
	switch {
	case err != nil:
		return 0, UsageError(example, "--%s %q is not a duration: write a day as 24h", option, c.String(option))
	case d <= 0:
		return 0, UsageError(example, "--%s %s: %s", option, d, whyNot)
	default:
		return d, nil
	}
}
