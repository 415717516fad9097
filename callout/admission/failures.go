package admission

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// FailuresConfig says how often a source may fail. Zero: as often as it likes.
type FailuresConfig struct {
	PerHost       float64 // failures a second
	PerCredential float64
	Burst         int // how many may come at once; 0: as many as in 4 seconds
	Now           func() time.Time
}

const (
	burst   = 4    // seconds' worth of failures that may come at once
	sources = 8192 // kept of each kind; the one that was longest without a failure is forgotten
)

// Failures keeps count of who fails. It costs nothing while nobody does. Safe
// for concurrent use.
type Failures struct {
	now         func() time.Time
	hosts       kept
	credentials kept
	seed        maphash.Seed
}

// NewFailures returns Failures in which nobody has failed.
func NewFailures(cfg FailuresConfig) *Failures {
	return &Failures{
		now:         cfg.Now,
		hosts:       newKept(cfg.PerHost, cfg.Burst),
		credentials: newKept(cfg.PerCredential, cfg.Burst),
		seed:        maphash.MakeSeed(),
	}
}

// Attempt is one try of a source.
type Attempt struct {
	host       uint64
	credential uint64
	none       bool // there is no credential: what many have in common is nobody's
}

// Attempt returns the attempt of a host, as HostSource names it, with a
// credential. Of the credential it keeps a hash that means something in this
// process alone.
func (f *Failures) Attempt(host, credential string) Attempt {
	return Attempt{maphash.String(f.seed, host), maphash.String(f.seed, credential), credential == ""}
}

// Failed counts a failed attempt.
func (f *Failures) Failed(a Attempt) {
	now := f.now()
	f.hosts.failed(a.host, now)
	if !a.none {
		f.credentials.failed(a.credential, now)
	}
}

// CredentialSpent reports whether the credential has failed as often as it may
// for now. The next attempt may still be one that succeeds: what a credential
// gets can depend on what else the client asks for, and on where it is.
func (f *Failures) CredentialSpent(a Attempt) bool {
	return !a.none && f.credentials.spent(a.credential, f.now())
}

// HostSpent reports whether attempts from the host have failed as often as they
// may for now. The next one may still be one that succeeds: many clients can
// live behind one address.
func (f *Failures) HostSpent(a Attempt) bool { return f.hosts.spent(a.host, f.now()) }

// Size returns of how many hosts and credentials failures are kept.
func (f *Failures) Size() (hosts, credentials int) {
	return int(f.hosts.size.Load()), int(f.credentials.size.Load())
}

// kept holds a token bucket of failures for each source that has failed.
type kept struct {
	perSecond float64
	atOnce    int
	buckets   *lru.Cache[uint64, *rate.Limiter] // nil: no limit
	size      *atomic.Int64                     // of buckets, to be read without its lock
}

func newKept(perSecond float64, atOnce int) kept {
	if atOnce <= 0 {
		atOnce = max(1, int(burst*perSecond))
	}
	k := kept{perSecond: perSecond, atOnce: atOnce, size: new(atomic.Int64)}
	if perSecond > 0 {
		k.buckets, _ = lru.New[uint64, *rate.Limiter](sources) // fails for sizes below 1
	}
	return k
}

func (k *kept) failed(key uint64, now time.Time) {
	if k.buckets == nil {
		return
	}
	b, ok := k.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(rate.Limit(k.perSecond), k.atOnce)
		if other, ok, _ := k.buckets.PeekOrAdd(key, b); ok { // it failed elsewhere just now
			b = other
		}
		k.size.Store(int64(k.buckets.Len()))
	}
	b.AllowN(now, 1)
}

func (k *kept) spent(key uint64, now time.Time) bool {
	if k.size.Load() == 0 {
		return false
	}
	b, ok := k.buckets.Peek(key)
	return ok && b.TokensAt(now) < 1
}

// translated are the IPv4 addresses behind a translator (RFC 6052); they are not one site.
var translated = netip.MustParsePrefix("64:ff9b::/96")

// HostSource names the source that a host is: its address, or for IPv6 the
// network of 64 bits that one site has. What is no address is a source of its own.
func HostSource(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	a = a.Unmap().WithZone("")
	if translated.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:])).String()
	}
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil { // 64 bits fit into every IPv6 address
		return host
	}
	return p.String()
}
