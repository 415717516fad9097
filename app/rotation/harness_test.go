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

// fleet are running ushers that look at their keyring whenever they are asked, and
// a hundred times a second.
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
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				for _, s := range f.services {
					_ = s.ReloadKeyring() // a seed and keyring.yaml are not written in one step
				}
			case <-stop:
				return
			}
		}
	})
	tb.Cleanup(func() { close(stop); watching.Wait() })
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
		PickUp: 10 * time.Second, Wait: 20 * time.Second, Quiet: 500 * time.Millisecond,
		Say: func(line string) { t.Log(line) }, Reports: f.reports,
		Expecting: func(context.Context) (all []rotation.Expectation, err error) {
			own := o.Accounts[callouttest.CalloutAccount]
			for _, s := range o.Servers {
				all = append(all, rotation.Expectation{URL: s.URL(), Server: s.Name, Sentinel: own})
			}
			return all, nil
		},
		Operator: &rotation.Operator{Cluster: operator.NewCluster(o.System(t), 0), Dir: operator.Dir(o.JWTDir), Signer: o.SigningKey},
	}
}

func signingKey(account, scope string) rotation.Target {
	return rotation.Target{Kind: issuer.KindSigning, Place: issuer.Place{Account: account, Scope: scope}}
}

// active returns the public key that a target has now.
func active(t *testing.T, r *rotation.Rotator, target rotation.Target) string {
	t.Helper()
	s, err := keyring.ReadState(r.Dir, r.Config)
	must(t, err)
	e, err := rotation.Old(s, target)
	must(t, err)
	return e.PublicKey
}

// load connects clients all the time, and counts what becomes of them.
type load struct {
	mu      sync.Mutex
	next    int          // client
	at      map[int]bool // clients that are connecting
	ok      int
	refused []string
	failed  []string

	fallBack bool     // to the next server if one is not there
	away     sync.Map // URLs that clients are sent to last, as by a load balancer

	stop   chan struct{}
	group  sync.WaitGroup
	inside sync.WaitGroup // clients that got in, until they leave
	begun  time.Time
}

// pace is how often a client connects: 60 times a second, while fewer than atOnce are
// at it. More at once would measure the machine: what it can do no longer in time, the
// clients call refused.
const (
	pace   = time.Second / 60
	atOnce = 16
)

// A machine that stands still for seconds keeps clients waiting, and does not turn
// them away: only who is never answered is refused.
const (
	loadTimeout = 8 // seconds, until a server refuses
	loadBudget  = 6 * time.Second
)

// startLoad lets clients connect to one of the servers after the other, each with
// the next of the tokens.
func startLoad(t *testing.T, urls string, fallBack bool, opts ...nats.Option) *load {
	t.Helper()
	l := &load{fallBack: fallBack, at: map[int]bool{}, stop: make(chan struct{}), begun: time.Now()}
	servers := strings.Split(urls, ",")
	places := make(chan struct{}, atOnce)
	l.group.Go(func() {
		tick := time.NewTicker(pace)
		defer tick.Stop()
		for i := 0; ; {
			select {
			case <-tick.C:
			case <-l.stop:
				return
			}
			// A machine that is busy misses ticks, and has to make up for them.
			for ; i < int(time.Since(l.begun)/pace); i++ {
				select {
				case places <- struct{}{}:
					l.send(servers, i, opts[i%len(opts)], func() { <-places })
				case <-l.stop:
					return
				}
			}
		}
	})
	return l
}

// send lets client i connect to one of the servers, and says when it is through.
func (l *load) send(servers []string, i int, opt nats.Option, through func()) {
	l.mu.Lock()
	l.next, l.at[i] = i+1, true
	l.mu.Unlock()
	first := i % len(servers)
	order := append(append([]string{}, servers[first:]...), servers[:first]...)
	// Last, and not never: by the time that it is its turn, the other may be away.
	slices.SortStableFunc(order, func(a, b string) int { return l.isAway(a) - l.isAway(b) })
	l.group.Go(func() {
		defer through()
		l.connect(order, opt)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.at, i)
	})
}

// spare sends no new client to a server, and waits for those that are at it.
func (l *load) spare(t *testing.T, url string) {
	t.Helper()
	l.away.Store(url, true)
	l.mu.Lock()
	next := l.next
	l.mu.Unlock()
	callouttest.Eventually(t, "the clients that are connecting have connected", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := range l.at {
			if i < next {
				return false
			}
		}
		return true
	})
}

func (l *load) isAway(url string) int {
	if _, away := l.away.Load(url); away {
		return 1
	}
	return 0
}

// connect tries one server after the other, as nats.go would: one that is being
// restarted cannot be reached. A refusal ends it, whoever it comes from.
func (l *load) connect(urls []string, opt nats.Option) {
	var nc *nats.Conn
	err := nats.ErrNoServers
	for _, url := range urls[:l.tries(urls)] {
		nc, err = nats.Connect(url, opt, callouttest.Patient(), nats.NoReconnect(), nats.IgnoreDiscoveredServers())
		if err == nil || !unreachable(err) {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.ok++
		l.inside.Add(1)
		time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { nc.Close(); l.inside.Done() })
	case errors.Is(err, nats.ErrAuthorization):
		l.refused = append(l.refused, err.Error())
	default:
		l.failed = append(l.failed, err.Error())
	}
}

func (l *load) tries(urls []string) int {
	if l.fallBack {
		return len(urls)
	}
	return 1
}

// unreachable reports whether a server was not there, or went away.
func unreachable(err error) bool {
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, nats.ErrConnectionClosed)
}

// end stops the load, prints what became of it and fails the test unless all got in,
// and enough for the rotations that there were: how many a second is the machine's.
func (l *load) end(t *testing.T, rotations int, what string) {
	t.Helper()
	close(l.stop)
	l.group.Wait()
	took := time.Since(l.begun)
	l.inside.Wait()
	rate := float64(l.ok+len(l.refused)+len(l.failed)) / took.Seconds()
	t.Logf("figures: %d rotations, %s: %d connects in %s (%.0f a second): %d refused, %d timed out or failed",
		rotations, what, l.ok, took.Round(time.Second), rate, len(l.refused), len(l.failed))
	for _, err := range append(l.refused, l.failed...) {
		t.Error(err)
	}
	if l.ok < 20*rotations {
		t.Error("too few connects to see what a rotation does to them")
	}
}

// getsIn connects once, to this server: refused there, nats.go would go on to the
// others of its cluster.
func getsIn(url string, opts ...nats.Option) error {
	nc, err := nats.Connect(url, append(opts, nats.NoReconnect(), nats.IgnoreDiscoveredServers(), callouttest.Patient())...)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	nc.Close()
	return nil
}
