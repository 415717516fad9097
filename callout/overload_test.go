package callout_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// gate is a verifier in front of the others that holds the worker up until the
// test lets it pass, and keeps a list of whom it was asked about: with one worker
// overload needs no load.
type gate struct {
	pass  chan struct{}
	mu    sync.Mutex
	asked []string
	name  func(c *tokens.Credential) string
}

func newGate(name func(c *tokens.Credential) string) *gate {
	return &gate{pass: make(chan struct{}), name: name}
}

func (*gate) Name() string { return "gate" }

func (g *gate) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	g.mu.Lock()
	g.asked = append(g.asked, g.name(c))
	g.mu.Unlock()
	select {
	case <-g.pass:
		return identity.Identity{}, tokens.ErrNotApplicable
	case <-ctx.Done():
		return identity.Identity{}, ctx.Err()
	}
}

// list returns whom it was asked about so far, the one that it holds up included.
func (g *gate) list() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asked)
}

// let lets n pass, and waits until the next one is held up.
func (g *gate) let(t *testing.T, n int) {
	t.Helper()
	for range n {
		before := len(g.list())
		g.pass <- struct{}{}
		callouttest.Eventually(t, "another request is held up", func() bool { return len(g.list()) > before })
	}
}

// gauge reads a gauge as a scrape would.
func gauge(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	callouttest.Must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no gauge %s", name)
	return 0
}

// inFlight waits until the service has taken so many requests that are not finished.
func inFlight(t *testing.T, s *callouttest.Service, n int) {
	t.Helper()
	callouttest.Eventually(t, "the service has the requests", func() bool {
		return gauge(t, s.Registry, "usher_requests_in_flight") == float64(n)
	})
}

// hostDialer dials from one of the loopback's addresses, and can hang up.
type hostDialer struct {
	from  string
	mu    sync.Mutex
	conns []net.Conn
}

// Dial implements nats.CustomDialer.
func (c *hostDialer) Dial(network, address string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
	conn, err := d.DialContext(context.Background(), network, address)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *hostDialer) closeConns() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close() // it may have been closed by the other side
	}
}

// call connects from an address of the loopback, and closes again.
func (s testEnv) call(from *hostDialer, opts ...nats.Option) error {
	nc, err := nats.Connect(s.server.URL(), append(opts, nats.SetCustomDialer(from), nats.Timeout(time.Minute))...)
	if err == nil {
		nc.Close()
	}
	return err
}

// outcome has a client connect, and hang up as soon as it is shed for failing.
func (s testEnv) outcome(t *testing.T, from string, as nats.Option) callout.Outcome {
	t.Helper()
	shed := func() float64 { return requests(t, s.service.Registry, callout.Shed, callout.CodeFailing) }
	before := shed()
	c, ended := &hostDialer{from: from}, make(chan error, 1)
	go func() { ended <- s.call(c, as) }()
	var err error
	callouttest.Eventually(t, "the request is answered or shed", func() bool {
		if shed() > before {
			c.closeConns()
			err = <-ended
			return true
		}
		select {
		case err = <-ended:
			return true
		default:
			return false
		}
	})
	inFlight(t, s.service, 0) // a failure is counted after it was answered
	switch {
	case shed() > before && err != nil && !errors.Is(err, nats.ErrAuthorization):
		return callout.Shed
	case errors.Is(err, nats.ErrAuthorization):
		return callout.Denied
	case err != nil:
		t.Errorf("from %s: %v", from, err)
		return callout.Unavailable
	default:
		return callout.Granted
	}
}

// A flood of clients from one host does not keep one of another waiting for more
// than one turn, whatever came before it.
//
// Attack: a flood of clients from one address keeps others waiting
// Held by: addresses take turns; when too many wait, the address with the most pays
func TestFloodDoesNotStarve(t *testing.T) {
	const flood, other, size = "127.0.0.2", "127.0.0.3", 60
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: 60, DisableShortFirstPing: true})
	g := newGate(func(c *tokens.Credential) string { return c.Host })
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Workers: 1, Budget: time.Minute, Verifiers: []tokens.Verifier{g},
	})
	s := testEnv{t, srv, service, keys}
	var clients sync.WaitGroup
	come := func(from string) {
		clients.Go(func() {
			if err := s.call(&hostDialer{from: from}, nats.Token("publisher-key")); errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("from %s: %v", from, err)
			}
		})
	}
	for range size {
		come(flood)
	}
	inFlight(t, service, size)
	const served = size/4 + 1 // by then all of the flood have been looked at
	g.let(t, served-1)
	come(other)
	inFlight(t, service, size-served+2)
	g.let(t, 2)
	close(g.pass)
	clients.Wait()
	inFlight(t, service, 0)
	asked := g.list()
	if n := requests(t, service.Registry, callout.Granted, callout.CodeGranted); n != size+1 || len(asked) != size+1 {
		t.Errorf("%d were decided, %v granted", len(asked), n)
	}
	if at := slices.Index(asked, other); at < served || at > served+1 {
		t.Errorf("it had turn %d, and came at turn %d", at, served)
	}
}

// still is a clock that stands still until a test moves it: what it takes to run
// the test is no time in which failures are forgotten.
type manualClock struct {
	start time.Time
	past  atomic.Int64
}

func (s *manualClock) Now() time.Time { return s.start.Add(time.Duration(s.past.Load())) }

func (s *manualClock) Advance(d time.Duration) { s.past.Add(int64(d)) }

// failureBurst is how many failures may come at once where one a second may.
const failureBurst = 4

// step is a client of a host that connects, and what becomes of it.
type step struct {
	after time.Duration // the one before
	host  string
	as    nats.Option
	want  callout.Outcome
}

// Who fails again and again is shed, and others are not. Answers come again as
// time goes by.
//
// Attack: guessing credentials, or failing without end
// Held by: failures are limited per address and per credential; above that there is no answer
func TestFailing(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout})
	const home, away = "127.0.0.1", "127.0.0.2"
	wrong, alsoWrong, good := nats.Token("wrong"), nats.Token("wrong as well"), nats.Token("publisher-key")
	elsewhere, here := nats.UserInfo("project=lab", "both-key"), nats.UserInfo("project=shop", "both-key")
	for _, tt := range []struct {
		name                   string
		perHost, perCredential float64
		burst                  step // comes failureBurst times
		steps                  []step
	}{
		{"credential", 0, 1, step{0, home, wrong, callout.Denied}, []step{
			{0, home, wrong, callout.Shed},
			{0, away, wrong, callout.Shed},
			{0, home, good, callout.Granted},
			{0, home, alsoWrong, callout.Denied},
			{time.Second, home, wrong, callout.Denied},
			{0, home, wrong, callout.Shed},
		}},
		// Clients can share a key: one that asks for what it does not get does
		// not shut out those that ask for what they do.
		{"selection", 0, 1, step{0, home, elsewhere, callout.Denied}, []step{
			{0, home, elsewhere, callout.Shed},
			{0, home, here, callout.Granted},
			{0, home, elsewhere, callout.Shed},
		}},
		{"host", 1, 0, step{0, home, wrong, callout.Denied}, []step{
			{0, home, wrong, callout.Shed},
			{0, home, alsoWrong, callout.Shed},
			{0, home, good, callout.Granted},
			{0, away, wrong, callout.Denied},
			{time.Second, home, alsoWrong, callout.Denied},
			{0, home, wrong, callout.Shed},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock := &manualClock{start: time.Now()}
			service := callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
				FailuresPerHost: tt.perHost, FailuresPerCredential: tt.perCredential, Now: clock.Now,
			})
			s := testEnv{t, srv, service, keys}
			for n, step := range append(slices.Repeat([]step{tt.burst}, failureBurst), tt.steps...) {
				clock.Advance(step.after)
				if got := s.outcome(t, step.host, step.as); got != step.want {
					t.Errorf("step %d from %s: %s, want %s", n, step.host, got, step.want)
				}
			}
			service.Stop(t)
			expectSheddingLog(t, service)
		})
	}
}

// expectSheddingLog checks that the log of a service that has ended says once that it
// began to shed, and once that it is over, with as many as were counted.
func expectSheddingLog(t *testing.T, s *callouttest.Service) {
	t.Helper()
	log := s.Log.String()
	began, ended := strings.Count(log, `msg="shedding requests"`), strings.Count(log, `msg="shedding has ended"`)
	shed := fmt.Sprintf(" %s=%v", callout.CodeFailing, requests(t, s.Registry, callout.Shed, callout.CodeFailing))
	if began != 1 || ended != 1 || !strings.Contains(log, shed) || strings.Contains(log, "outcome=shed") {
		t.Errorf("no episode with%s:\n%s", shed, log)
	}
}

// forged returns a request that no server has signed.
func (i *impostor) forged(change func(*jwt.AuthorizationRequestClaims)) *nats.Msg {
	i.t.Helper()
	c := i.claims()
	change(c)
	token := i.signed(c)
	at := strings.LastIndexByte(token, '.') + 1
	return i.message(token[:at] + strings.Repeat("A", len(token)-at))
}

// What is shed is shed before its signature is verified: a forged request and a
// real one are told apart only where they would be answered. And what nobody has
// signed is no failure of the host that it names.
//
// Attack: requests that nobody signed cost usher signatures, or an honest address its budget of failures
// Held by: what is shed is shed before any cryptography, and only what a server signed counts as a failure
func TestShedBeforeTheCryptography(t *testing.T) {
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			s, i := newImpostorWith(t, sealed, callouttest.ServiceConfig{FailuresPerHost: 0.001})
			from := func(host, token string) func(*jwt.AuthorizationRequestClaims) {
				return func(c *jwt.AuthorizationRequestClaims) {
					c.ClientInformation.Host, c.ConnectOptions.Token = host, token
				}
			}
			const home, away = "192.0.2.1", "192.0.2.2"
			malformed, failing := callout.Malformed, callout.CodeFailing
			for _, c := range []badInput{
				{name: "forged, wrong", msg: i.forged(from(home, "wrong")), outcome: malformed, code: callout.CodeNotARequest},
				{name: "forged, good", msg: i.forged(from(home, "publisher-key")), outcome: malformed, code: callout.CodeNotARequest},
				{name: "the first failure", msg: i.with(from(home, "wrong")), outcome: callout.Denied, code: "key_unknown", answered: true},
				{name: "failing", msg: i.with(from(home, "wrong again")), outcome: callout.Shed, code: failing},
				{name: "forged and failing", msg: i.forged(from(home, "wrong")), outcome: callout.Shed, code: failing},
				{name: "mapped into IPv6", msg: i.forged(from("::ffff:"+home, "wrong")), outcome: callout.Shed, code: failing},
				{name: "forged and good", msg: i.forged(from(home, "publisher-key")), outcome: malformed, code: callout.CodeNotARequest},
				{name: "good", msg: i.with(from(home, "publisher-key")), outcome: callout.Granted, code: callout.CodeGranted, answered: true},
				{name: "of another host", msg: i.with(from(away, "wrong")), outcome: callout.Denied, code: "key_unknown", answered: true},
				{
					name: "forged and expired", outcome: callout.Shed, code: callout.CodeRequestExpired,
					msg: i.forged(func(c *jwt.AuthorizationRequestClaims) { c.Expires = time.Now().Add(-time.Minute).Unix() }),
				},
			} {
				t.Run(c.name, func(t *testing.T) { s.sendBadInput(t, i, c) })
			}
		})
	}
}

// Attack: a user whose grant is too large connects again and again, each time costs 17 ms, and nobody is charged
// Held by: the size of a grant is known before it is made, and what costs work and cannot be granted counts as a failure of host and credential
func TestTooLargeIsCharged(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]callouttest.ServiceConfig{
		"host": {FailuresPerHost: 0.001}, "credential": {FailuresPerCredential: 0.001},
	} {
		t.Run(name, func(t *testing.T) {
			s, i := newImpostorWith(t, true, cfg)
			s.service.SetDirectory(t, callouttest.WithDigests(largeDirectory(3_000)))
			from := func(token string) *nats.Msg {
				return i.with(func(c *jwt.AuthorizationRequestClaims) {
					c.ClientInformation.Host, c.ConnectOptions.Token = "192.0.2.1", token
				})
			}
			for _, c := range []badInput{
				{name: "too large", msg: from("large-key"), outcome: callout.Unavailable, code: callout.CodeTooLarge},
				{name: "again", msg: from("large-key"), outcome: callout.Shed, code: callout.CodeFailing},
				{name: "one that fits", msg: from("publisher-key"), outcome: callout.Granted, code: callout.CodeGranted, answered: true},
			} {
				t.Run(c.name, func(t *testing.T) { s.sendBadInput(t, i, c) })
			}
		})
	}
}

// asked is a request that an impostor sent.
type asked struct {
	t       *testing.T
	i       *impostor
	answers *nats.Subscription
}

// ask sends a request of a client on a host, with a user name and a token.
func (i *impostor) ask(t *testing.T, host, user, token string) asked {
	t.Helper()
	i.clients++ // a server numbers its clients
	m := i.with(func(c *jwt.AuthorizationRequestClaims) {
		c.ClientInformation.Host, c.ClientInformation.ID = host, i.clients
		c.ConnectOptions.Username, c.ConnectOptions.Token = user, token
	})
	answers, err := i.nc.SubscribeSync(m.Reply)
	callouttest.Must(t, err)
	callouttest.Must(t, i.nc.PublishMsg(m))
	callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
	return asked{t, i, answers}
}

// granted waits for the answer to a request, in the clear.
func (a asked) granted() bool {
	a.t.Helper()
	m, err := a.answers.NextMsg(4 * testTimeout)
	callouttest.Must(a.t, err)
	c, err := jwt.DecodeAuthorizationResponseClaims(string(m.Data))
	callouttest.Must(a.t, err)
	return c.Jwt != ""
}

// silent says that there is no answer. An answer to a later request is there, and
// they come one after the other.
func (a asked) silent(later asked) {
	a.t.Helper()
	if !later.granted() {
		a.t.Error("the later one is denied")
	}
	if n, _, err := a.answers.Pending(); n != 0 || err != nil {
		a.t.Errorf("answered: %d, %v", n, err)
	}
}

const (
	heavyHost = "192.0.2.1"
	lightHost = "192.0.2.2"
)

// newGatedEnv has one worker that is held up.
func newGatedEnv(t *testing.T, cfg callouttest.ServiceConfig) (testEnv, *impostor, *gate) {
	t.Helper()
	g := newGate(func(c *tokens.Credential) string { return c.User })
	cfg.Workers, cfg.Verifiers = 1, []tokens.Verifier{g}
	s, i := newImpostorWith(t, false, cfg)
	return s, i, g
}

// What has waited for as long as the budget is shed, nobody is asked about it,
// and so there is nothing that could be signed.
func TestWaitedTooLong(t *testing.T) {
	const budget = 20 * time.Second
	var clock callouttest.Clock
	s, i, g := newGatedEnv(t, callouttest.ServiceConfig{Budget: budget, Now: clock.Now})
	first := i.ask(t, heavyHost, "first", "publisher-key")
	inFlight(t, s.service, 1)
	second := i.ask(t, heavyHost, "second", "publisher-key")
	looked := i.ask(t, lightHost, "looked at", "publisher-key")
	inFlight(t, s.service, 3)
	g.let(t, 1)
	fresh := i.ask(t, lightHost, "fresh", "publisher-key")
	inFlight(t, s.service, 3)
	clock.Advance(budget)
	g.pass <- struct{}{}
	callouttest.Eventually(t, "two are too late", func() bool {
		return requests(t, s.service.Registry, callout.Shed, callout.CodeTooLate) == 2
	})
	inFlight(t, s.service, 0)
	close(g.pass)
	if !first.granted() || !second.granted() {
		t.Error("what was not too late is denied")
	}
	looked.silent(i.ask(t, lightHost, "later", "publisher-key"))
	fresh.silent(i.ask(t, lightHost, "last", "publisher-key"))
	if got := strings.Join(g.list(), ", "); got != "first, second, later, last" {
		t.Errorf("it was asked about %s", got)
	}
	var hosts []string
	for _, e := range s.service.Events(t) {
		if e.Text("code") == callout.CodeTooLate {
			hosts = append(hosts, e.Text("client_host"))
		}
	}
	if !slices.Equal(hosts, []string{"", lightHost}) {
		t.Errorf("too late were those of %q", hosts)
	}
}

// late decides when the budget is over.
type late map[string]error // by token

func (late) Name() string { return "late" }

func (l late) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	says, ok := l[c.Token()]
	if !ok {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	<-ctx.Done()
	return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory}, says
}

// shortBudget is one that a test waits for to end, and that is long enough all the
// same for what is to be answered.
const shortBudget = 3 * time.Second

// Nor is anything answered, or signed, that is decided too late, whatever the
// decision.
func TestDecidedTooLate(t *testing.T) {
	t.Parallel() // it waits, and so do others
	verifier := late{"yes": nil, "no": tokens.ErrRejected, "not mine": tokens.ErrNotApplicable, "gives up": context.DeadlineExceeded}
	s, i := newImpostorWith(t, false, callouttest.ServiceConfig{Budget: shortBudget, Verifiers: []tokens.Verifier{verifier}})
	var all []asked
	for token := range verifier {
		all = append(all, i.ask(t, lightHost, "", token))
	}
	callouttest.Eventually(t, "all are too late", func() bool {
		return requests(t, s.service.Registry, callout.Shed, callout.CodeTooLate) == float64(len(verifier))
	})
	for _, a := range all {
		a.silent(i.ask(t, lightHost, "", "publisher-key"))
	}
	for _, e := range s.service.Events(t) {
		if e.Text("outcome") == "shed" && !strings.HasPrefix(e.Text("cause"), "the budget ran out while ") {
			t.Errorf("shed after it was signed: %v", e)
		}
	}
}

// More than the queue takes are shed: before the look whoever comes, after it the
// oldest of the source that has the most.
func TestQueueFull(t *testing.T) {
	s, i, g := newGatedEnv(t, callouttest.ServiceConfig{Queue: 2, Budget: time.Minute})
	ask := func(host, user string) asked { return i.ask(t, host, user, "publisher-key") }
	full := func(n float64) {
		t.Helper()
		callouttest.Eventually(t, "the queue is full", func() bool {
			return requests(t, s.service.Registry, callout.Shed, callout.CodeQueueFull) == n
		})
	}
	in := []asked{ask(heavyHost, "1")}
	inFlight(t, s.service, 1)
	in = append(in, ask(heavyHost, "2"))
	oldest := ask(heavyHost, "3")
	inFlight(t, s.service, 3)
	outside := ask(lightHost, "4")
	full(1)
	g.let(t, 1) // 2 and 3 are looked at, and 2 has its turn
	in = append(in, ask(heavyHost, "5"), ask(lightHost, "6"))
	inFlight(t, s.service, 4)
	g.let(t, 1) // 5 and 6 are looked at
	full(2)
	close(g.pass)
	for n, a := range in {
		if !a.granted() {
			t.Errorf("%d is denied", n)
		}
	}
	oldest.silent(ask(lightHost, "7"))
	outside.silent(ask(lightHost, "8"))
	if got := strings.Join(g.list(), ""); got != "125678" {
		t.Errorf("turns: %s", got)
	}
}
