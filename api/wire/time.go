package wire

import "time"

// Time returns a time as the API shows it: in UTC, to the second. The zero time stays zero.
func Time(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}
