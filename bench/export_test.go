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
func RefusalIn(sent string) (Cause, bool) { return refusal([]byte(sent)) }
