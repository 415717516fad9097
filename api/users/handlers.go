package users

import (
	"time"

	"usher/permissions"
)

// Config is what the handlers need.
type Config struct {
	Now    func() time.Time
	Policy *permissions.Policy // nil: service roles have no account

	// Explain returns what a user would get on connecting to NATS, as a value that
	// encodes to JSON. project is the project that the client asks for; it may be empty.
	Explain func(user, project string) any
}

// Handlers are the handlers of this package.
type Handlers struct {
	cfg     Config
	guesses *guesses
	hashing chan struct{} // holds one element for each password that is being hashed
}

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers {
	if cfg.Policy == nil {
		cfg.Policy = &permissions.Policy{}
	}
	return &Handlers{cfg: cfg, guesses: newGuesses(cfg.Now), hashing: make(chan struct{}, maxHashing)}
}
