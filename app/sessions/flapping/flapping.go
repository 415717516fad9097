package flapping

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"usher/app/sessions"
	"usher/callout"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/internal/audit"
	"usher/tokens"
)

// Kind is a kind of source.
type Kind string

// The kinds of sources.
const (
	Credential Kind = "credential"
	User       Kind = "user"
	Address    Kind = "address"
)

// Config says what flapping is. All fields are required, but for Except.
type Config struct {
	Connects int           // of one source within Within; more is flapping. 0: nothing is
	Within   time.Duration // also the least time without detection after a start
	BanFor   time.Duration
	By       []string // Kinds
	Except   []string // networks whose connects do not count at all; the caller has checked them

	Snapshot func() *snapshot.Snapshot // nil: no directory is loaded
	// Change changes the bans of the directory, as kv.Store.Change does.
	Change func(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error)

	Log *slog.Logger
	Now func() time.Time
}

const (
	maxSources = 16384       // that are counted; the one that connected least recently is forgotten
	maxServers = 4096        // that are known
	maxWaiting = 256         // bans that are being made; more are left to the next connect
	leastPause = time.Minute // a large fleet is back by then
	banTimeout = 30 * time.Second
	ipv6Client = 64 // bits of an IPv6 address that a client does not choose
)

// Detector counts connects.
type Detector struct {
	cfg     Config
	sources *lru.Cache[directory.BanTarget, *rate.Limiter]
	servers *lru.Cache[string, struct{}]
	found   chan directory.BanTarget
	except  []netip.Prefix

	mu     sync.Mutex
	paused time.Time // until then nothing is counted
}

// New returns a Detector that begins with a pause. Run makes the bans. It is nil if
// Config.Connects is 0; a nil Detector counts nothing.
func New(cfg Config) *Detector { //nolint:gocritic // the detector keeps the copy
	if cfg.Connects == 0 {
		return nil
	}
	d := &Detector{cfg: cfg, found: make(chan directory.BanTarget, maxWaiting)}
	d.sources, _ = lru.New[directory.BanTarget, *rate.Limiter](maxSources) // fails for sizes below 1
	d.servers, _ = lru.New[string, struct{}](maxServers)
	for _, text := range cfg.Except {
		d.except = append(d.except, netip.MustParsePrefix(text))
	}
	d.Pause()
	return d
}

// Pause stops counting for a while: many clients come back at once.
func (d *Detector) Pause() {
	until := d.cfg.Now().Add(max(leastPause, d.cfg.Within))
	d.mu.Lock()
	d.paused = until
	d.mu.Unlock()
	d.sources.Purge() // what was counted before is a part of the storm
}

func (d *Detector) pausedAt(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Before(d.paused)
}

// Granted counts a granted connection.
func (d *Detector) Granted(s *session.Session) {
	if d == nil {
		return
	}
	if known, _ := d.servers.ContainsOrAdd(s.Server, struct{}{}); !known {
		d.Pause()
	}
	if s.Identity.Authority == identity.AuthorityUsher || d.isExcepted(s.Addr) || isAskedAgain(s) {
		return
	}
	if s.Digest != [32]byte{} {
		d.count(Credential, directory.BanTarget{Digest: s.Digest})
	}
	d.count(User, d.userOf(&s.Identity))
	d.countAddress(s.Addr)
}

// oncePer is how often a connection may be asked about again without counting. A server that is
// reloaded asks about all of its connections. But a client can have it ask too, by another
// CONNECT, and would cost as much as one that flaps.
const oncePer = time.Second

// isAskedAgain reports whether a session was granted to a connection that has one for some time.
func isAskedAgain(s *session.Session) bool {
	return !s.Follows.IsZero() && s.Decided.Sub(s.Follows) >= oncePer
}

// Decided counts a denied connection for its address, unless a ban has refused it. It ignores
// other decisions: Granted counts those.
func (d *Detector) Decided(e *audit.Event) {
	if d == nil || e.Outcome != string(callout.Denied) || e.Code == tokens.CodeBanned {
		return
	}
	a, err := netip.ParseAddr(e.ClientHost)
	if a = a.Unmap().WithZone(""); err == nil && !d.isExcepted(a) {
		d.countAddress(a)
	}
}

// Observer pauses when a server has gone: its clients come back at once.
func (d *Detector) Observer() sessions.Observer {
	return sessions.Observer{Removed: func(_ *session.Session, why sessions.Ending) {
		if d != nil && why == sessions.ServerGone {
			d.Pause()
		}
	}}
}

// userOf returns the user of a session, or what its authority calls it.
func (d *Detector) userOf(id *identity.Identity) directory.BanTarget {
	if s := d.cfg.Snapshot(); s != nil {
		if u, ok := s.User(id.Name); ok {
			return directory.BanTarget{User: u.ID}
		}
	}
	if id.ID == "" || id.Authority == "" {
		return directory.BanTarget{}
	}
	return directory.BanTarget{Authority: string(id.Authority), IdentityID: id.ID}
}

func (d *Detector) countAddress(a netip.Addr) {
	if !a.IsValid() {
		return
	}
	bits := a.BitLen()
	if a.Is6() {
		bits = ipv6Client
	}
	network, _ := a.Prefix(bits) // fails for too many bits
	d.count(Address, directory.BanTarget{Network: network})
}

func (d *Detector) isExcepted(a netip.Addr) bool {
	return slices.ContainsFunc(d.except, func(n netip.Prefix) bool { return n.Contains(a) })
}

func (d *Detector) count(kind Kind, source directory.BanTarget) {
	now := d.cfg.Now()
	if !slices.Contains(d.cfg.By, string(kind)) || source == (directory.BanTarget{}) || d.pausedAt(now) {
		return
	}
	bucket, ok := d.sources.Get(source)
	if !ok {
		bucket = rate.NewLimiter(rate.Every(d.cfg.Within/time.Duration(d.cfg.Connects)), d.cfg.Connects)
		if existing, found, _ := d.sources.PeekOrAdd(source, bucket); found {
			bucket = existing
		}
	}
	if bucket.AllowN(now, 1) {
		return
	}
	d.sources.Remove(source) // one ban for one source
	select {
	case d.found <- source:
	default: // it comes again
	}
}
