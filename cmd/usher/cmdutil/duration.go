package cmdutil

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// PositiveDuration reads an option that holds a duration above 0. It returns 0 if the
// option is not set. whyNot completes the error for a duration of 0 or less.
func PositiveDuration(c *cli.Context, option, whyNot string) (time.Duration, error) {
	return PositiveDurationSuchAs(c, option, "30d", whyNot)
}

// PositiveDurationSuchAs is PositiveDuration of an option whose usual values are like example,
// a number and a unit.
func PositiveDurationSuchAs(c *cli.Context, option, example, whyNot string) (time.Duration, error) {
	if !c.IsSet(option) {
		return 0, nil
	}
	text := c.String(option)
	unit := strings.TrimLeft(example, "0123456789")
	example = "such as --" + option + " " + example
	d, err := parseDuration(text)
	switch {
	case err != nil && len(text) <= maxNumber && text != "" && strings.Trim(text, "0123456789") == "":
		return 0, UsageError("such as --"+option+" "+text+unit, "--%s %s has no unit", option, text)
	case err != nil:
		return 0, UsageError(example, "--%s %q is not a duration, such as 36h, 30d or 1y", option, c.String(option))
	case d <= 0:
		return 0, UsageError(example, "--%s %s: %s", option, d, whyNot)
	default:
		return d, nil
	}
}

// maxNumber is how many digits of a number without a unit are repeated: it is no secret.
const maxNumber = 6

// The longest units, which package time does not have.
const (
	day  = 24 * time.Hour
	year = 365 * day
)

// parseDuration reads a duration as Go writes it, or a whole number of days or years.
func parseDuration(text string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": day, "y": year} {
		number, ok := strings.CutSuffix(text, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err == nil && n > int64(math.MaxInt64/unit) {
			err = strconv.ErrRange
		}
		return time.Duration(n) * unit, err
	}
	return time.ParseDuration(text)
}

// WithoutDays writes a duration of whole days or years as package time does; any other text
// it returns as it is.
func WithoutDays(text string) string {
	if d, err := parseDuration(text); err == nil && strings.TrimRight(text, "dy") != text {
		return d.String()
	}
	return text
}
