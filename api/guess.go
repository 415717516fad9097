package api

import (
	"errors"
	"net/http"
	"strconv"

	"usher/callout/admission"
)

// Names of users are global, so that whoever makes or adds one hears that a name is
// taken. A project can hear that so often: nobody who makes users by hand or by a
// program comes near it, and a list of names is not found out so. It is by the
// project, because its administrators can make as many others as they like.
const (
	guesses          = 20 // at once
	guessesPerMinute = 1
)

func newGuesses(cfg *Config) *admission.Failures {
	return admission.NewFailures(admission.FailuresConfig{PerHost: guessesPerMinute / 60., Burst: guesses, Now: cfg.Now})
}

// mayGuess refuses names from a project that has hit on too many that are taken. It
// comes before the name is looked up: otherwise what is made would say that the name
// was free.
func (c *call) mayGuess() error {
	attempt, bound := c.guess()
	if !bound || !c.guesses.HostSpent(attempt) {
		return nil
	}
	c.flood = true
	f := fail(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "Too many names of users that are taken, or not to be had, were tried in this project")
	f.details = []string{"a service_admin can make and add users all the same"}
	f.header = http.Header{"Retry-After": {strconv.Itoa(60 / guessesPerMinute)}}
	return f
}

// guessed counts a name that is taken, or not to be had.
func (c *call) guessed(err error) error {
	var f *failure
	if attempt, bound := c.guess(); bound && errors.As(err, &f) && (f.absent == whatUser || f.status == "ALREADY_EXISTS") {
		c.guesses.Failed(attempt)
	}
	return err
}

// guess returns what the call counts for; not bound: it may ask as often as it likes.
func (c *call) guess() (attempt admission.Attempt, bound bool) {
	p, ok := c.snapshot.Project(c.vars[varProject])
	if !ok || c.isServiceAdmin() {
		return attempt, false
	}
	return c.guesses.Attempt(p.ID.String(), ""), true
}
