package users

import (
	"errors"
	"sync"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/callout/ratelimit"
	"usher/directory"
)

// User names are global, so an administrator of a project who creates or adds a user
// learns whether a name is taken. These limits keep it from listing the users, and do not
// affect normal use. They apply to the project, because its administrators can create
// further administrators.
const (
	guessBurst     = 20
	guessPerMinute = 1
)

// guesses counts the taken names that were tried, by project.
type guesses struct {
	failures *ratelimit.Failures
	mu       sync.Mutex // held from checking the limit to counting the guess
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{failures: ratelimit.New(ratelimit.Config{PerHost: guessPerMinute / 60., Burst: guessBurst, Now: now})}
}

// limiter limits the guesses of one request, which may look its name up several times.
type limiter struct {
	*guesses
	r       *rest.Request
	counted bool
}

func (g *guesses) limiter(r *rest.Request) *limiter { return &limiter{guesses: g, r: r} }

// lookUp calls f, which looks a user name up, unless the project has guessed too often.
// It counts a guess if the name is taken. It checks the limit before it calls f, because
// a success would tell that the name is free. One lock covers check and count, so that
// concurrent requests cannot exceed the limit.
func (l *limiter) lookUp(f func() ([]directory.Entry, error)) ([]directory.Entry, error) {
	l.r.RateLimited = false
	attempt, limited := l.attempt()
	if !limited {
		return f()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.counted && l.failures.HostExhausted(attempt) {
		l.r.RateLimited = true
		return nil, apierror.TooManyRequests("Too many user names that are taken or not available were tried in this project", time.Minute/guessPerMinute).
			WithDetails("a service_admin can still create and add users")
	}
	entries, err := f()
	var e *apierror.Error
	if errors.As(err, &e) && (e.Missing == apierror.User || e.IsAlreadyExists()) && !l.counted {
		l.counted = true // once, however often the change is attempted
		l.failures.Record(attempt)
	}
	return entries, err
}

// attempt returns what the request counts for. The limit does not apply to a service_admin.
func (l *limiter) attempt() (attempt ratelimit.Attempt, limited bool) {
	p, ok := l.r.Snapshot.Project(l.r.Var(rest.VarProject))
	if !ok || l.r.IsServiceAdmin() {
		return attempt, false
	}
	return l.failures.Attempt(p.ID.String(), ""), true
}
