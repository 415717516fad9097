package waiting

import (
	"errors"
	"fmt"
	"sync"

	"usher/callout/ratelimit"
)

// Reasons why a request gets no slot. Callers use errors.Is.
var (
	// ErrBusy: all slots are taken, or the share of the host or of the credential.
	ErrBusy = errors.New("no free slot")
	// ErrFailing: the host or the credential has failed too often at this verifier.
	ErrFailing = errors.New("fails too often at this verifier")
)

// Slots are the slots of one slow verifier. Safe for concurrent use.
type Slots struct {
	failures *ratelimit.Failures
	limit    int

	mu          sync.Mutex
	taken       int
	hosts       map[uint64]int // slots of each host that has one
	credentials map[uint64]int // the same of credentials
}

// New returns limit slots. Failures at the verifier are limited as cfg says.
func New(limit int, cfg ratelimit.Config) *Slots {
	return &Slots{failures: ratelimit.New(cfg), limit: limit, hosts: map[uint64]int{}, credentials: map[uint64]int{}}
}

// Failures returns the failures at the verifier. They take attempts of other Failures too.
func (s *Slots) Failures() *ratelimit.Failures { return s.failures }

// Acquire takes a slot for a request, or returns ErrBusy or ErrFailing.
func (s *Slots) Acquire(a ratelimit.Attempt) error {
	switch {
	case s.failures.CredentialExhausted(a):
		return fmt.Errorf("this credential %w", ErrFailing)
	case s.failures.HostExhausted(a):
		return fmt.Errorf("this host %w", ErrFailing)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	credential, hasCredential := a.Credential()
	switch share := s.share(); {
	case s.taken >= s.limit:
		return fmt.Errorf("%w: %d requests are waiting for this verifier", ErrBusy, s.taken)
	case s.hosts[a.Host()] >= share:
		return fmt.Errorf("%w: %d requests of this host are waiting for this verifier", ErrBusy, s.hosts[a.Host()])
	case hasCredential && s.credentials[credential] >= share:
		return fmt.Errorf("%w: %d requests with this credential are waiting for this verifier", ErrBusy, s.credentials[credential])
	}
	s.taken++
	s.hosts[a.Host()]++
	if hasCredential {
		s.credentials[credential]++
	}
	return nil
}

// share returns how many slots one host, and one credential, may hold: a third of the free
// ones. Alone it gets a quarter of all, and there always remain some for others. These are
// the dynamic thresholds of Choudhury and Hahne for shared buffers (1998).
func (s *Slots) share() int { return max(1, (s.limit-s.taken+2)/3) }

// Release gives the slot of a request back.
func (s *Slots) Release(a ratelimit.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	release(s.hosts, a.Host())
	if credential, ok := a.Credential(); ok {
		release(s.credentials, credential)
	}
}

func release(held map[uint64]int, key uint64) {
	if held[key]--; held[key] <= 0 {
		delete(held, key)
	}
}

// Taken returns how many slots are taken.
func (s *Slots) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken
}
