package credential

import (
	"time"

	"github.com/urfave/cli/v2"

	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
)

// ExpiryFlags returns the options for the end of a new key. defaultText is the default.
func ExpiryFlags(defaultText string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "expires-in", Usage: "`TIME` for which the key is valid, such as 720h", DefaultText: defaultText},
		&cli.StringFlag{Name: "expires-on", Usage: "`INSTANT` at which the key expires, such as 2030-01-01T00:00:00Z"},
	}
}

// Expiry reads ExpiryFlags. At most one of them may be set.
func Expiry(c *cli.Context) (in string, on *time.Time, err error) {
	life, err := cmdutil.PositiveDuration(c, "expires-in", "the key would be expired already")
	if err != nil {
		return "", nil, err
	}
	if life > 0 && c.IsSet("expires-on") {
		return "", nil, cmdutil.UsageError("", "--expires-in and --expires-on: give only one of them")
	}
	if life > 0 {
		in = life.String()
	}
	on, err = remote.TimeOption(c, "expires-on")
	return in, on, err
}

// ExpiryText describes the expiry of a key, or returns "".
func ExpiryText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", which expires at " + remote.FormatTime(at)
}
