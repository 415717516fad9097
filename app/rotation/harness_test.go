package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/rotation"
	"usher/callout/callouttest"
	"usher/callout/keyusage"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

var must = callouttest.Must

// fleet is a set of running ushers that reload their keyring a hundred times a second.
type fleet struct {
	tb       testing.TB
	services []*callouttest.Service
}

func newFleet(tb testing.TB, n int, cfg callouttest.ServiceConfig) *fleet {
	tb.Helper()
	f := &fleet{tb: tb}
	for range n {
		f.services = append(f.services, callouttest.StartService(tb, cfg))
	}
	stop := make(chan struct{})
	var reloading sync.WaitGroup
	reloading.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond) // each reads and checks all keys
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, s := range f.services {
					_ = s.ReloadKeyring() // it may fail between the write of a seed and that of keyring.yaml
				}
			case <-stop:
				return
			}
		}
	})
	tb.Cleanup(func() { close(stop); reloading.Wait() })
	return f
}

func (f *fleet) reports(context.Context) ([]keyusage.Report, error) {
	var reports []keyusage.Report
	for _, s := range f.services {
		reports = append(reports, s.Report())
	}
	return reports, nil
}

// operatorRotator returns a Rotator for the keyring of an operator.
func operatorRotator(t *testing.T, o *callouttest.Operator, f *fleet) *rotation.Rotator {
	t.Helper()
	return &rotation.Rotator{
		Dir: o.Keyring, Config: keyring.Config{Callout: callouttest.CalloutAccount}, Now: time.Now,
		ReloadTimeout: 10 * time.Second, Wait: 20 * time.Second, IdlePeriod: 500 * time.Millisecond,
		Progress: func(line string) { t.Log(line) }, Reports: f.reports,
		Probe: func(context.Context) (all []rotation.Expectation, err error) {
			own := o.Accounts[callouttest.CalloutAccount]
			for _, s := range o.Servers {
				all = append(all, rotation.Expectation{URL: s.URL(), Server: s.Name, Sentinel: own})
			}
			return all, nil
		},
		Operator: &rotation.Operator{Cluster: operator.NewCluster(o.ConnectSystem(t), 0), Dir: operator.Dir(o.JWTDir), Signer: o.SigningKey},
	}
}

func signingKey(account, scope string) rotation.Target {
	return rotation.Target{Kind: issuer.KindSigning, Place: issuer.Place{Account: account, Scope: scope}}
}

// active returns the public key of the active key of a target.
func active(t *testing.T, r *rotation.Rotator, target rotation.Target) string {
	t.Helper()
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	e, err := rotation.ActiveKey(s, target)
	must(t, err)
	return e.PublicKey
}

// load keeps connecting clients, and counts the outcomes.
type load struct {
	mu         sync.Mutex
	next       int          // number of the next client
	connecting map[int]bool // by number of the client
	ok         int
	refused    []string
	failed     []string
	closed     []string      // by the server while they connected; they tried again
	slowest    time.Duration // of the connects that have ended

	failover bool     // try the next server if one cannot be reached
	draining sync.Map // URLs of servers that clients try last, as with a load balancer

	stop      chan struct{}
	group     sync.WaitGroup
	connected sync.WaitGroup // clients that are connected
	begun     time.Time
}

// A client connects 60 times a second, while fewer than maxConnecting are connecting.
// A higher load would overload the machine, and clients would be refused for that.
const (
	interval      = time.Second / 60
	maxConnecting = 16
)

// The timeouts are long, so that a machine that stalls for seconds delays clients and
// does not refuse them.
const (
	loadTimeout = 8 // seconds, until a server refuses
	loadBudget  = 6 * time.Second
)

// startLoad connects clients to the servers in turn, each with the next of the options.
func startLoad(t *testing.T, urls string, failover bool, opts ...nats.Option) *load {
	t.Helper()
	l := &load{failover: failover, connecting: map[int]bool{}, stop: make(chan struct{}), begun: time.Now()}
	servers := strings.Split(urls, ",")
	semaphore := make(chan struct{}, maxConnecting)
	l.group.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-tick.C:
			case <-l.stop:
				return
			}
			// A busy machine misses ticks: catch up with them.
			for ; i < int(time.Since(l.begun)/interval); i++ {
				select {
				case semaphore <- struct{}{}:
					l.start(servers, i, opts[i%len(opts)], func() { <-semaphore })
				case <-l.stop:
					return
				}
			}
		}
	})
	return l
}

// start connects client i to one of the servers, and then calls done.
func (l *load) start(servers []string, i int, opt nats.Option, done func()) {
	l.mu.Lock()
	l.next, l.connecting[i] = i+1, true
	l.mu.Unlock()
	first := i % len(servers)
	order := append(append([]string{}, servers[first:]...), servers[:first]...)
	// A draining server comes last, but is not left out: when the client tries it, the
	// other server may be the one that is draining.
	slices.SortStableFunc(order, func(a, b string) int { return l.rank(a) - l.rank(b) })
	l.group.Go(func() {
		defer done()
		l.connect(order, opt)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.connecting, i)
	})
}

// drain sends no new client to a server, and waits for the clients that are connecting.
func (l *load) drain(t *testing.T, url string) {
	t.Helper()
	l.draining.Store(url, true)
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	callouttest.Eventually(t, "the clients that are connecting have connected", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range l.connecting {
			if i < next {
				return false
			}
		}
		return true
	})
}

// rank sorts draining servers last.
func (l *load) rank(url string) int {
	if _, draining := l.draining.Load(url); draining {
		return 1
	}
	return 0
}

// connect tries one server after the other, as nats.go would, because a server that is
// being restarted cannot be reached. It stops at the first refusal.
//
// nats-server 2.15 can close a connection without an error when the signing keys of an
// account change while the client is being placed in that account or leaves the callout
// account: it then compares the key of the user JWT with the keys of the wrong account
// (updateAccountClaimsWithRefresh, RegisterNkeyUser). The client tries again.
func (l *load) connect(urls []string, opt nats.Option) {
	var nc *nats.Conn
	err := nats.ErrNoServers
	begun := time.Now()
	for attempt, url := range l.attempts(urls) {
		nc, err = nats.Connect(url, opt, callouttest.ConnectTimeout(), nats.NoReconnect(), nats.IgnoreDiscoveredServers())
		if err != nil {
			took := time.Since(begun).Round(time.Millisecond)
			err = fmt.Errorf("%s, at %s: %w after %s", url, begun.Sub(l.begun).Round(time.Millisecond), err, took)
		}
		if err == nil || !unreachable(err) {
			break
		}
		if !l.failover && attempt == 0 {
			l.mu.Lock()
			l.closed = append(l.closed, err.Error())
			l.mu.Unlock()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest = max(l.slowest, time.Since(begun))
	switch {
	case err == nil:
		l.ok++
		l.connected.Add(1)
		time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { nc.Close(); l.connected.Done() })
	case errors.Is(err, nats.ErrAuthorization):
		l.refused = append(l.refused, err.Error())
	default:
		l.failed = append(l.failed, err.Error())
	}
}

// longest returns how long the slowest client has taken to connect.
func (l *load) longest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slowest
}

// attempts returns the servers to try in order.
func (l *load) attempts(urls []string) []string {
	if l.failover {
		return urls
	}
	return []string{urls[0], urls[0]}
}

// unreachable reports whether a server was down or stopped.
func unreachable(err error) bool {
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, nats.ErrConnectionClosed)
}

// end stops the load and logs the outcomes. It fails the test unless every client
// connected, and enough clients for the number of rotations.
func (l *load) end(t *testing.T, rotations int, what string) {
	t.Helper()
	close(l.stop)
	l.group.Wait()
	took := time.Since(l.begun)
	l.connected.Wait()
	rate := float64(l.ok+len(l.refused)+len(l.failed)) / took.Seconds()
	t.Logf("figures: %d rotations, %s: %d connects in %s (%.0f a second): %d refused, %d timed out or failed, %d closed and tried again",
		rotations, what, l.ok, took.Round(time.Second), rate, len(l.refused), len(l.failed), len(l.closed))
	if len(l.closed) > l.ok/100 {
		t.Errorf("too many connections were closed: %q", l.closed)
	}
	for _, err := range append(l.refused, l.failed...) {
		t.Error(err)
	}
	if l.ok < 20*rotations {
		t.Error("too few connects to show the effect of a rotation")
	}
}

// connects connects once, to this server only. By default nats.go would try the other
// servers of the cluster after a refusal.
func connects(url string, opts ...nats.Option) error {
	nc, err := nats.Connect(url, append(opts, nats.NoReconnect(), nats.IgnoreDiscoveredServers(), callouttest.ConnectTimeout())...)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	nc.Close()
	return nil
}
