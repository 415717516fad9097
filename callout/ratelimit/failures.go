package ratelimit

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Config limits the rate of failures. A zero rate is no limit.
type Config struct {
	PerHost       float64 // failures a second
	PerCredential float64 // failures a second
	Burst         int     // failures that may happen at once; 0: those of 4 seconds
	Now           func() time.Time
}

const (
	burstSeconds = 4    // default burst, in seconds of the rate
	maxSources   = 8192 // of each kind; the source that failed least recently is evicted
)

// Failures limits the rate of failed attempts by host and by credential, with
// token buckets. Successful attempts take no token. Safe for concurrent use.
type Failures struct {
	now    func() time.Time
	limits atomic.Pointer[limits]
	seed   maphash.Seed
}

// limits are the buckets of one configuration.
type limits struct {
	perHost, perCredential float64
	burst                  int
	hosts, credentials     buckets
}

// New returns Failures without failures.
func New(cfg Config) *Failures {
	f := &Failures{now: cfg.Now, seed: maphash.MakeSeed()}
	f.Limit(cfg.PerHost, cfg.PerCredential, cfg.Burst)
	return f
}

// Limit sets other limits, as in Config. Failures that were recorded before are forgotten, unless
// the limits are the same.
func (f *Failures) Limit(perHost, perCredential float64, burst int) {
	if l := f.limits.Load(); l != nil && l.perHost == perHost && l.perCredential == perCredential && l.burst == burst {
		return
	}
	f.limits.Store(&limits{
		perHost: perHost, perCredential: perCredential, burst: burst, hosts: newBuckets(perHost, burst), credentials: newBuckets(perCredential, burst),
	})
}

// Attempt identifies the host and the credential of an attempt.
type Attempt struct {
	host         uint64
	credential   uint64
	noCredential bool // clients without a credential share no limit
}

// Attempt returns the attempt of a host, as HostSource names it, with a
// credential. It keeps a hash of the credential that is valid in this process
// only. Several Failures may count the same attempt.
func (f *Failures) Attempt(host, credential string) Attempt {
	return Attempt{maphash.String(f.seed, host), maphash.String(f.seed, credential), credential == ""}
}

// Host returns the hash of the host.
func (a Attempt) Host() uint64 { return a.host }

// Credential returns the hash of the credential; false: the client presented none.
func (a Attempt) Credential() (hash uint64, ok bool) { return a.credential, !a.noCredential }

// Record counts a failed attempt.
func (f *Failures) Record(a Attempt) {
	now, l := f.now(), f.limits.Load()
	l.hosts.take(a.host, now)
	if !a.noCredential {
		l.credentials.take(a.credential, now)
	}
}

// CredentialExhausted reports whether the credential has no failures left. The next
// attempt may still succeed: the result can depend on what else the client requests
// and where it connects from.
func (f *Failures) CredentialExhausted(a Attempt) bool {
	return !a.noCredential && f.limits.Load().credentials.exhausted(a.credential, f.now())
}

// HostExhausted reports whether the host has no failures left. The next attempt may
// still succeed: many clients can share an address.
func (f *Failures) HostExhausted(a Attempt) bool {
	return f.limits.Load().hosts.exhausted(a.host, f.now())
}

// Size returns how many hosts and credentials have failures.
func (f *Failures) Size() (hosts, credentials int) {
	l := f.limits.Load()
	return int(l.hosts.size.Load()), int(l.credentials.size.Load())
}

// buckets holds a token bucket for each source that has failed.
type buckets struct {
	rate  rate.Limit // tokens a second
	burst int
	cache *lru.Cache[uint64, *rate.Limiter] // nil: no limit
	size  *atomic.Int64                     // of cache, readable without its lock
}

func newBuckets(perSecond float64, burst int) buckets {
	if burst <= 0 {
		burst = max(1, int(burstSeconds*perSecond))
	}
	b := buckets{rate: rate.Limit(perSecond), burst: burst, size: new(atomic.Int64)}
	if perSecond > 0 {
		b.cache, _ = lru.New[uint64, *rate.Limiter](maxSources) // fails for sizes below 1
	}
	return b
}

func (b *buckets) take(key uint64, now time.Time) {
	if b.cache == nil {
		return
	}
	bucket, ok := b.cache.Get(key)
	if !ok {
		bucket = rate.NewLimiter(b.rate, b.burst)
		if existing, found, _ := b.cache.PeekOrAdd(key, bucket); found {
			bucket = existing
		}
		b.size.Store(int64(b.cache.Len()))
	}
	bucket.AllowN(now, 1)
}

func (b *buckets) exhausted(key uint64, now time.Time) bool {
	if b.size.Load() == 0 {
		return false
	}
	bucket, ok := b.cache.Peek(key)
	return ok && bucket.TokensAt(now) < 1
}
