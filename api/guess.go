package api

import (
	"errors"
	"net/http"
	"strconv"
	"sync"

	"usher/callout/admission"
	"usher/directory"
)

// Names of users are global, so that whoever makes or adds one hears that a name is
// taken. A project can hear that so often: nobody who makes users by hand or by a
// program comes near it, and a list of names is not found out so. It is by the
// project, because its administrators can make as many others as they like.
const (
	guesses          = 20 // at once
	guessesPerMinute = 1
)

// guessed keeps count of the names that were taken, by project.
type guessed struct {
	*admission.Failures
	turn sync.Mutex // of who looks a name up
}

func newGuesses(cfg *Config) *guessed {
	return &guessed{Failures: admission.NewFailures(admission.FailuresConfig{PerHost: guessesPerMinute / 60., Burst: guesses, Now: cfg.Now})}
}

// guessing looks a name up for a project that has not hit on too many that are taken,
// and counts it if it is one. Both are one step: of requests that come at once, none
// looks before the others are counted. It comes before the name is looked up, because
// what is made would say otherwise that the name was free.
func (c *call) guessing(look func() ([]directory.Entry, error)) ([]directory.Entry, error) {
	c.flood = false
	attempt, bound := c.guess()
	if !bound {
		return look()
	}
	c.guesses.turn.Lock()
	defer c.guesses.turn.Unlock()
	if !c.counted && c.guesses.HostExhausted(attempt) {
		c.flood = true
		f := fail(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "Too many names of users that are taken, or not to be had, were tried in this project")
		f.details = []string{"a service_admin can make and add users all the same"}
		f.header = http.Header{"Retry-After": {strconv.Itoa(60 / guessesPerMinute)}}
		return nil, f
	}
	entries, err := look()
	var f *failure
	if errors.As(err, &f) && (f.absent == whatUser || f.status == "ALREADY_EXISTS") && !c.counted {
		c.counted = true // once, however often the change is tried
		c.guesses.Record(attempt)
	}
	return entries, err
}

// guess returns what the call counts for; not bound: it may ask as often as it likes.
func (c *call) guess() (attempt admission.Attempt, bound bool) {
	p, ok := c.snapshot.Project(c.vars[varProject])
	if !ok || c.isServiceAdmin() {
		return attempt, false
	}
	return c.guesses.Attempt(p.ID.String(), ""), true
}
