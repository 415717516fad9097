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
	"usher/callout/admission"
	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// gate is a verifier that blocks the worker until the test releases it, and records the
// credentials in order. With one worker it simulates overload.
type gate struct {
	pass chan struct{}
	mu   sync.Mutex
	seen []string
	name func(c *tokens.Credential) string
}

func newGate(name func(c *tokens.Credential) string) *gate {
	return &gate{pass: make(chan struct{}), name: name}
}

func (*gate) Name() string { return "gate" }

func (g *gate) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	g.mu.Lock()
	g.seen = append(g.seen, g.name(c))
	g.mu.Unlock()
	select {
	case <-g.pass:
		return identity.Identity{}, tokens.ErrNotApplicable
	case <-ctx.Done():
		return identity.Identity{}, ctx.Err()
	}
}

// order returns the names of the credentials so far, including the blocked one.
func (g *gate) order() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// release releases n requests, one by one, and waits until the next is blocked.
func (g *gate) release(t *testing.T, n int) {
	t.Helper()
	for range n {
		before := len(g.order())
		g.pass <- struct{}{}
		callouttest.Eventually(t, "the next request is blocked", func() bool { return len(g.order()) > before })
	}
}

// gauge returns the value of a gauge.
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

// inFlight waits until the service has n requests that are not finished.
func inFlight(t *testing.T, s *callouttest.Service, n int) {
	t.Helper()
	callouttest.Eventually(t, fmt.Sprintf("%d requests in flight", n), func() bool {
		return gauge(t, s.Registry, "usher_requests_in_flight") == float64(n)
	})
}

// hostDialer dials from an address of the loopback network, and can close its
// connections.
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
		_ = conn.Close() // fails if it is closed already
	}
}

// connectFrom connects with a dialer, and closes the connection.
func (s testEnv) connectFrom(from *hostDialer, opts ...nats.Option) error {
	nc, err := nats.Connect(s.server.URL(), append(opts, nats.SetCustomDialer(from), nats.Timeout(time.Minute))...)
	if err == nil {
		nc.Close()
	}
	return err
}

// outcome connects and returns the outcome. It closes the connection as soon as the
// request is shed, because the client gets no answer.
func (s testEnv) outcome(t *testing.T, from string, as nats.Option) callout.Outcome {
	t.Helper()
	shed := func() float64 { return requests(t, s.service.Registry, callout.Shed, callout.CodeFailing) }
	before := shed()
	c, ended := &hostDialer{from: from}, make(chan error, 1)
	go func() { ended <- s.connectFrom(c, as) }()
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
	inFlight(t, s.service, 0) // a failure is recorded after the answer
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

// However many clients of one host wait, a client of another host waits for at most
// one of them.
//
// Attack: a flood of clients from one address delays clients from other addresses
// Held by: addresses are served round robin; a full queue evicts requests of the address with the most
func TestFloodDoesNotStarve(t *testing.T) {
	const flood, other, size = "127.0.0.2", "127.0.0.3", 60
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: 60})
	g := newGate(func(c *tokens.Credential) string { return c.Host })
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		Workers: 1, Budget: time.Minute, Verifiers: []tokens.Verifier{g},
	})
	s := testEnv{t, srv, service, keys}
	var clients sync.WaitGroup
	connect := func(from string) {
		clients.Go(func() {
			if err := s.connectFrom(&hostDialer{from: from}, nats.Token("publisher-key")); errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("from %s: %v", from, err)
			}
		})
	}
	for range size {
		connect(flood)
	}
	inFlight(t, service, size)
	const served = size/4 + 1 // by then all requests of the flood are classified
	g.release(t, served-1)
	connect(other)
	inFlight(t, service, size-served+2)
	g.release(t, 2)
	close(g.pass)
	clients.Wait()
	inFlight(t, service, 0)
	order := g.order()
	if n := requests(t, service.Registry, callout.Granted, callout.CodeGranted); n != size+1 || len(order) != size+1 {
		t.Errorf("%d decided, %v granted", len(order), n)
	}
	if at := slices.Index(order, other); at < served || at > served+1 {
		t.Errorf("the other host was number %d, and arrived after %d", at, served)
	}
}

// manualClock is a clock that only a test advances, so that failures do not expire while
// the test runs.
type manualClock struct {
	start   time.Time
	elapsed atomic.Int64
}

func (c *manualClock) Now() time.Time { return c.start.Add(time.Duration(c.elapsed.Load())) }

func (c *manualClock) Advance(d time.Duration) { c.elapsed.Add(int64(d)) }

// failureBurst is the burst at a rate of one failure a second.
const failureBurst = 4

// step is one connection attempt and its expected outcome.
type step struct {
	after time.Duration // the previous step
	host  string
	as    nats.Option
	want  callout.Outcome
}

// Clients that fail too often are shed, and others are not. They are answered again
// after a while.
//
// Attack: a client guesses credentials, or fails without end
// Held by: the rate of failures is limited per address and per credential; above it usher does not answer
func TestFailureLimits(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout})
	const home, away = "127.0.0.1", "127.0.0.2"
	wrong, alsoWrong, good := nats.Token("wrong"), nats.Token("wrong as well"), nats.Token("publisher-key")
	elsewhere, here := nats.UserInfo("project=lab", "both-key"), nats.UserInfo("project=shop", "both-key")
	for _, tt := range []struct {
		name                   string
		perHost, perCredential float64
		burst                  step // repeated failureBurst times
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
		// Clients can share a key: one that selects a project without success does not
		// block those that select another.
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

// expectSheddingLog checks that the log of a stopped service says once that shedding
// began, and once that it ended, with the count of the metrics.
func expectSheddingLog(t *testing.T, s *callouttest.Service) {
	t.Helper()
	log := s.Log.String()
	began, ended := strings.Count(log, `msg="shedding requests"`), strings.Count(log, `msg="shedding has ended"`)
	shed := fmt.Sprintf(" %s=%v", callout.CodeFailing, requests(t, s.Registry, callout.Shed, callout.CodeFailing))
	if began != 1 || ended != 1 || !strings.Contains(log, shed) || strings.Contains(log, "outcome=shed") {
		t.Errorf("no begin and end of shedding with%s:\n%s", shed, log)
	}
}

// forged returns a request with an invalid signature.
func (i *impostor) forged(change func(*jwt.AuthorizationRequestClaims)) *nats.Msg {
	i.t.Helper()
	c := i.claims()
	change(c)
	token := i.signed(c)
	at := strings.LastIndexByte(token, '.') + 1
	return i.message(token[:at] + strings.Repeat("A", len(token)-at))
}

// Requests are shed before their signature is verified, so forged requests are detected
// only if they would be answered. A forged request is not a failure of the host that it
// names.
//
// Attack: forged requests cost usher signatures, or use up the failures of an honest address
// Held by: usher sheds before any cryptography, and only requests that a server signed count as failures
func TestShedBeforeCryptography(t *testing.T) {
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

// Attack: a user whose grant is too large connects again and again, which costs usher 17 ms each time
// Held by: usher knows the size of a grant before it makes it, and a grant that is too large counts as a failure of host and credential
func TestTooLargeCountsAsFailure(t *testing.T) {
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
				{name: "a grant that fits", msg: from("publisher-key"), outcome: callout.Granted, code: callout.CodeGranted, answered: true},
			} {
				t.Run(c.name, func(t *testing.T) { s.sendBadInput(t, i, c) })
			}
		})
	}
}

// pendingRequest is a request that an impostor has sent.
type pendingRequest struct {
	t       *testing.T
	i       *impostor
	answers *nats.Subscription
}

// request sends a request for a client on a host, with a user name and a token.
func (i *impostor) request(t *testing.T, host, user, token string) pendingRequest {
	t.Helper()
	return i.requestWith(t, host, func(o *jwt.ConnectOptions) { o.Username, o.Token = user, token })
}

// requestWith is request with any credential.
func (i *impostor) requestWith(t *testing.T, host string, present func(*jwt.ConnectOptions)) pendingRequest {
	t.Helper()
	i.clients++ // client IDs are consecutive
	m := i.with(func(c *jwt.AuthorizationRequestClaims) {
		c.ClientInformation.Host, c.ClientInformation.ID = host, i.clients
		present(&c.ConnectOptions)
	})
	answers, err := i.nc.SubscribeSync(m.Reply)
	callouttest.Must(t, err)
	callouttest.Must(t, i.nc.PublishMsg(m))
	callouttest.Must(t, i.nc.FlushTimeout(testTimeout))
	return pendingRequest{t, i, answers}
}

// granted waits for the answer, which is not sealed, and reports whether it is a grant.
func (a pendingRequest) granted() bool {
	a.t.Helper()
	m, err := a.answers.NextMsg(4 * testTimeout)
	callouttest.Must(a.t, err)
	c, err := jwt.DecodeAuthorizationResponseClaims(string(m.Data))
	callouttest.Must(a.t, err)
	return c.Jwt != ""
}

// silent checks that the request is not answered. Answers arrive in order, so it waits
// for the answer to a later request.
func (a pendingRequest) silent(later pendingRequest) {
	a.t.Helper()
	if !later.granted() {
		a.t.Error("the later request is denied")
	}
	if n, _, err := a.answers.Pending(); n != 0 || err != nil {
		a.t.Errorf("answered: %d, %v", n, err)
	}
}

const (
	heavyHost = "192.0.2.1"
	lightHost = "192.0.2.2"
)

// newGatedEnv returns an environment with one worker, which a gate blocks.
func newGatedEnv(t *testing.T, cfg callouttest.ServiceConfig) (testEnv, *impostor, *gate) {
	t.Helper()
	g := newGate(func(c *tokens.Credential) string { return c.User })
	cfg.Workers, cfg.Verifiers = 1, []tokens.Verifier{g}
	s, i := newImpostorWith(t, false, cfg)
	return s, i, g
}

// A request that has waited longer than the budget is shed without asking a verifier.
func TestExpiredInQueue(t *testing.T) {
	const budget = 20 * time.Second
	var clock callouttest.Clock
	s, i, g := newGatedEnv(t, callouttest.ServiceConfig{Budget: budget, Now: clock.Now})
	first := i.request(t, heavyHost, "first", "publisher-key")
	inFlight(t, s.service, 1)
	second := i.request(t, heavyHost, "second", "publisher-key")
	classified := i.request(t, lightHost, "classified", "publisher-key")
	inFlight(t, s.service, 3)
	g.release(t, 1)
	unclassified := i.request(t, lightHost, "unclassified", "publisher-key")
	inFlight(t, s.service, 3)
	clock.Advance(admission.MaxAge(budget))
	g.pass <- struct{}{}
	callouttest.Eventually(t, "two requests are too late", func() bool {
		return requests(t, s.service.Registry, callout.Shed, callout.CodeTooLate) == 2
	})
	inFlight(t, s.service, 0)
	close(g.pass)
	if !first.granted() || !second.granted() {
		t.Error("a request that was not too late is denied")
	}
	classified.silent(i.request(t, lightHost, "later", "publisher-key"))
	unclassified.silent(i.request(t, lightHost, "last", "publisher-key"))
	if got := strings.Join(g.order(), ", "); got != "first, second, later, last" {
		t.Errorf("verified: %s", got)
	}
	var hosts []string
	for _, e := range s.service.Events(t) {
		if e.Text("code") == callout.CodeTooLate {
			hosts = append(hosts, e.Text("client_host"))
		}
	}
	if !slices.Equal(hosts, []string{"", lightHost}) {
		t.Errorf("too late: requests of %q", hosts)
	}
}

// lateVerifier decides after the budget has ended.
type lateVerifier map[string]error // by token

func (lateVerifier) Name() string { return "late" }

func (l lateVerifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	err, ok := l[c.Token()]
	if !ok {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	<-ctx.Done()
	return identity.Identity{Name: "publisher", Authority: identity.AuthorityDirectory}, err
}

// shortBudget is short enough to wait for its end, and long enough to answer requests.
const shortBudget = 3 * time.Second

// A late decision is neither signed nor answered, whatever it is.
func TestDecidedTooLate(t *testing.T) {
	t.Parallel() // mostly waits
	verifier := lateVerifier{"yes": nil, "no": tokens.ErrRejected, "not mine": tokens.ErrNotApplicable, "gives up": context.DeadlineExceeded}
	s, i := newImpostorWith(t, false, callouttest.ServiceConfig{Budget: shortBudget, Verifiers: []tokens.Verifier{verifier}})
	var all []pendingRequest
	for token := range verifier {
		all = append(all, i.request(t, lightHost, "", token))
	}
	callouttest.Eventually(t, "all requests are too late", func() bool {
		return requests(t, s.service.Registry, callout.Shed, callout.CodeTooLate) == float64(len(verifier))
	})
	for _, a := range all {
		a.silent(i.request(t, lightHost, "", "publisher-key"))
	}
	for _, e := range s.service.Events(t) {
		if e.Text("outcome") == "shed" && !strings.HasPrefix(e.Text("cause"), "the budget ran out while ") {
			t.Errorf("shed after it was signed: %v", e)
		}
	}
}

// If the queue is full, unclassified requests are shed on arrival. Of classified ones,
// the oldest request of the heaviest source is shed.
func TestQueueFull(t *testing.T) {
	s, i, g := newGatedEnv(t, callouttest.ServiceConfig{Queue: 2, Budget: time.Minute})
	request := func(host, user string) pendingRequest { return i.request(t, host, user, "publisher-key") }
	full := func(n float64) {
		t.Helper()
		callouttest.Eventually(t, "the queue is full", func() bool {
			return requests(t, s.service.Registry, callout.Shed, callout.CodeQueueFull) == n
		})
	}
	granted := []pendingRequest{request(heavyHost, "1")}
	inFlight(t, s.service, 1)
	granted = append(granted, request(heavyHost, "2"))
	oldest := request(heavyHost, "3")
	inFlight(t, s.service, 3)
	refused := request(lightHost, "4")
	full(1)
	g.release(t, 1) // 2 and 3 are classified, and 2 is admitted
	granted = append(granted, request(heavyHost, "5"), request(lightHost, "6"))
	inFlight(t, s.service, 4)
	g.release(t, 1) // 5 and 6 are classified
	full(2)
	close(g.pass)
	for n, r := range granted {
		if !r.granted() {
			t.Errorf("request %d is denied", n)
		}
	}
	oldest.silent(request(lightHost, "7"))
	refused.silent(request(lightHost, "8"))
	if got := strings.Join(g.order(), ""); got != "125678" {
		t.Errorf("order: %s", got)
	}
}
