package bench

import (
	"context"
	"time"
)

// Reach dials as a client of the target does, after it was found valid.
func Reach(ctx context.Context, t Target, address string) error {
	t, err := t.valid(ctx)
	if err != nil {
		return err
	}
	conn, err := newCourse(ctx, t, time.Now).dial("tcp", address)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// SamplesOf makes samples.
func SamplesOf(of int, samples ...time.Duration) Samples { return newSamples(samples, of) }

// CauseOf judges an error, and RefusalIn what a server sent.
func CauseOf(err error) Cause { return causeOf(err) }

// RefusalIn returns no cause if there is none in what was sent.
func RefusalIn(sent string) (Cause, bool) {
	f, ok := refusal([]byte(sent))
	return f.cause, ok
}

// Greeting judges the first bytes of a server.
func Greeting(sent string, kind Kind, secure, wanted bool) (Cause, bool) {
	f, ok := greeting([]byte(sent), kind, secure, wanted)
	return f.cause, ok
}

// SampleOf returns what is kept of an error.
func SampleOf(err error, token string) string {
	var t tally
	t.add(failure{Other, err}, token)
	return t.errorTexts()[Other]
}
