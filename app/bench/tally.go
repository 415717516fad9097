package bench

import (
	"errors"
	"strings"
	"sync/atomic"
)

// failure is how one attempt failed.
type failure struct {
	cause Cause
	err   error // nil: unknown
}

// failureOf returns the failure of an error.
func failureOf(err error) failure { return failure{causeOf(err), err} }

// errSilent: the server sent nothing before the timeout.
var errSilent = errors.New("the server sent nothing")

// tally counts failed attempts by cause, and keeps one error of each cause.
type tally struct {
	counts  [causes]atomic.Int64
	samples [causes]atomic.Pointer[string]
	silent  atomic.Int64
}

// add counts the failure of an attempt with this token.
func (t *tally) add(f failure, token string) {
	t.counts[f.cause].Add(1)
	if errors.Is(f.err, errSilent) {
		t.silent.Add(1)
	}
	t.sample(f, token)
}

// sample keeps the first error of each cause, without the token.
func (t *tally) sample(f failure, token string) {
	const longest = 200
	if f.err == nil || t.samples[f.cause].Load() != nil {
		return
	}
	text := f.err.Error()
	if token != "" {
		text = strings.ReplaceAll(text, token, "…")
	}
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	t.samples[f.cause].CompareAndSwap(nil, &text)
}

// sum returns the number of failed attempts.
func (t *tally) sum() (n int64) {
	for i := range t.counts {
		n += t.counts[i].Load()
	}
	return n
}

// failures returns the counts of all causes.
func (t *tally) failures() map[Cause]int64 {
	counts := make(map[Cause]int64, causes)
	for i := range t.counts {
		counts[Cause(i)] = t.counts[i].Load()
	}
	return counts
}

// errorTexts returns the sampled error of each cause.
func (t *tally) errorTexts() map[Cause]string {
	texts := map[Cause]string{}
	for i := range t.samples {
		if text := t.samples[i].Load(); text != nil {
			texts[Cause(i)] = *text
		}
	}
	return texts
}
