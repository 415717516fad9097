package bench

import (
	"context"
	"time"
)

// Dial validates the target and dials an address as its clients do.
func Dial(ctx context.Context, t Target, address string) error {
	t, err := t.valid(ctx)
	if err != nil {
		return err
	}
	conn, err := newRun(ctx, t, time.Now).dial("tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// SamplesOf returns samples of total measurements.
func SamplesOf(total int, samples ...time.Duration) Samples { return newSamples(samples, total) }

// CauseOf returns the cause of an error.
func CauseOf(err error) Cause { return causeOf(err) }

// ParseError returns the cause in what a server sent, if it contains an error.
func ParseError(sent string) (Cause, bool) {
	f, ok := parseError([]byte(sent))
	return f.cause, ok
}

// CheckGreeting returns the cause in the first bytes of a server, if they are a failure.
func CheckGreeting(sent string, kind Kind, secure, wanted bool) (Cause, bool) {
	f, ok := checkGreeting([]byte(sent), kind, secure, wanted)
	return f.cause, ok
}

// SampleOf returns the text that a tally keeps of an error.
func SampleOf(err error, token string) string {
	var t tally
	t.add(failure{Other, err}, token)
	return t.errorTexts()[Other]
}
