package backend

import "time"

// Config describes a Backend. Zero is the default where one is given.
type Config struct {
	Name      string // of the configuration, such as "introspection:main"; in errors and in Status
	CacheSize int    // answers that are kept, and as many refusals; default 10,000

	MaxAge     time.Duration // how long an answer is kept; zero: not at all
	RefusalAge time.Duration // how long a refusal is kept; zero: not at all
	// Stale is for how much longer an answer may be used if the backend gives none, but
	// never past Answer.Until. Refusals are not used longer.
	Stale time.Duration

	Concurrency int           // calls at a time; default 32
	Timeout     time.Duration // of a call with its retries, and of the wait for one's turn before it; default 1 s
	Retries     int           // of a call whose error is Retriable
	Breaker     Breaker

	Now func() time.Time // of the caches; Timeout and Breaker use the clock of the system
}

// Breaker describes a circuit breaker: after some failures in a row the backend is not
// asked for a while, and then one call tries whether it answers again.
type Breaker struct {
	Failures int           // in a row; default 5
	Cooldown time.Duration // default 5 s
}

func (c *Config) setDefaults() {
	setDefault(&c.CacheSize, 10_000)
	setDefault(&c.Concurrency, 32)
	setDefault(&c.Timeout, time.Second)
	setDefault(&c.Breaker.Failures, 5)
	setDefault(&c.Breaker.Cooldown, 5*time.Second)
	c.Retries = max(c.Retries, 0)
}

func setDefault[T int | time.Duration](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}
