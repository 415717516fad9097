package main

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// announced is the line of "usher dev --json", as scripts read it.
type announced struct {
	URL        string `json:"url"`
	API        string `json:"api"`
	Dir        string `json:"dir"`
	Identities []struct {
		Name  string `json:"name"`
		Role  string `json:"role"`
		Token string `json:"token"`
	} `json:"identities"`
	Issuer  string `json:"issuer"`
	Refused struct {
		Token string `json:"token"`
	} `json:"refused"`
}

func (a *announced) token(t *testing.T, role string) string {
	t.Helper()
	for _, i := range a.Identities {
		if i.Role == role {
			return i.Token
		}
	}
	t.Fatalf("no identity with role %s", role)
	return ""
}

func (a *announced) user(token string) string {
	for _, i := range a.Identities {
		if i.Token == token {
			return i.Name
		}
	}
	return ""
}

// ownAddress returns an address for --listen that stays reserved for this test across
// restarts.
func ownAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
}

// startDev starts "usher dev" and waits for its line.
func startDev(t *testing.T, args ...string) (p *process, a announced) {
	t.Helper()
	for range apptest.Attempts {
		p = startIn(t, t.TempDir(), "usher", append([]string{"dev", "--json"}, args...)...)
		callouttest.Eventually(t, "it is ready", func() bool { return p.ended() || strings.HasSuffix(p.stdout.String(), "\n") })
		// A port that was free when usher looked may be another test's by now.
		if !p.ended() || !strings.Contains(p.stderr.String(), "address already in use") {
			break
		}
		t.Logf("again: %s", p.stderr.String())
	}
	if p.ended() {
		t.Fatal("it ended")
	}
	d := json.NewDecoder(strings.NewReader(p.stdout.String()))
	d.DisallowUnknownFields()
	callouttest.Must(t, d.Decode(&a))
	if strings.Count(p.stdout.String(), "\n") != 1 {
		t.Errorf("more than one line:\n%s", p.stdout.String())
	}
	return p, a
}

// natsClient is a connection that records permission violations.
type natsClient struct {
	*nats.Conn
	refused chan struct{}
}

func connectDev(t *testing.T, a *announced, token string) natsClient {
	t.Helper()
	c := natsClient{refused: make(chan struct{}, 16)}
	c.Conn = apptest.Connected(t, a.URL, nats.Token(token), nats.CustomInboxPrefix("_INBOX_"+a.user(token)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) { c.refused <- struct{}{} }))
	return c
}

// publishes reports whether a message to subject goes through.
func (c natsClient) publishes(t *testing.T, subject string) bool {
	t.Helper()
	return c.allowed(t, func() error { return c.Publish(subject, []byte("teapot")) })
}

func (c natsClient) subscribes(t *testing.T, subject string) bool {
	t.Helper()
	return c.allowed(t, func() error {
		_, err := c.SubscribeSync(subject)
		return err
	})
}

// allowed reports whether an action caused no violation. A violation arrives before the
// PONG.
func (c natsClient) allowed(t *testing.T, act func() error) bool {
	t.Helper()
	before := c.LastError()
	callouttest.Must(t, act())
	callouttest.Must(t, c.FlushTimeout(20*time.Second))
	if c.LastError() == before { //nolint:errorlint // the very same error, not one like it
		return true
	}
	<-c.refused
	return false
}

// TestDev: every identity may do what its role says, and the denied one cannot connect.
func TestDev(t *testing.T) {
	t.Parallel()
	_, a := startDev(t, "--listen", "127.0.0.1:0")
	roles := make([]string, len(a.Identities))
	for i := range a.Identities {
		roles[i] = a.Identities[i].Role
	}
	slices.Sort(roles)
	if want := []string{"consumer", "ingest", "project_admin", "publisher", "service_admin"}; !slices.Equal(roles, want) {
		t.Fatalf("roles %v", roles)
	}
	for role, want := range map[string]struct{ publish, noPublish, subscribe, noSubscribe []string }{
		"ingest":        {publish: []string{"habitat.event.healthcheck"}, noPublish: []string{"shop.orders", "habitat.other"}, noSubscribe: []string{">", "habitat.event.>"}},
		"publisher":     {publish: []string{"shop.orders"}, noPublish: []string{"shop.returns", "habitat.event.x"}, noSubscribe: []string{">", "shop.orders"}},
		"consumer":      {noPublish: []string{"shop.orders"}, noSubscribe: []string{">", "shop.orders"}},
		"project_admin": {publish: []string{"shop.orders", "shop.returns"}, noPublish: []string{"any.subject"}, subscribe: []string{"shop.>"}, noSubscribe: []string{">"}},
		"service_admin": {publish: []string{"any.subject", "shop.orders"}, subscribe: []string{"shop.>", "habitat.>"}, noPublish: []string{"$SYS.REQ.USER.AUTH"}},
	} {
		c := connectDev(t, &a, a.token(t, role))
		for _, s := range want.publish {
			if !c.publishes(t, s) {
				t.Errorf("%s may not publish %s", role, s)
			}
		}
		for _, s := range want.noPublish {
			if c.publishes(t, s) {
				t.Errorf("%s may publish %s", role, s)
			}
		}
		for _, s := range want.subscribe {
			if !c.subscribes(t, s) {
				t.Errorf("%s may not subscribe to %s", role, s)
			}
		}
		for _, s := range want.noSubscribe {
			if c.subscribes(t, s) {
				t.Errorf("%s may subscribe to %s", role, s)
			}
		}
	}
	if nc, err := nats.Connect(a.URL, nats.Token(a.Refused.Token)); err == nil {
		nc.Close()
		t.Error("the refused token got in")
	}
}

// TestDevStream: the publisher gets its acknowledgement, and the consumer its message.
func TestDevStream(t *testing.T) {
	t.Parallel()
	_, a := startDev(t, "--listen", "127.0.0.1:0")
	publisher, err := jetstream.New(connectDev(t, &a, a.token(t, "publisher")).Conn)
	callouttest.Must(t, err)
	if _, err = publisher.Publish(t.Context(), "shop.orders", []byte("teapot")); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(connectDev(t, &a, a.token(t, "consumer")).Conn)
	callouttest.Must(t, err)
	consumer, err := js.Consumer(t.Context(), "shop", "invoices")
	callouttest.Must(t, err)
	m, err := consumer.Next(jetstream.FetchMaxWait(20 * time.Second))
	callouttest.Must(t, err)
	if string(m.Data()) != "teapot" {
		t.Errorf("got %s", m.Data())
	}
	callouttest.Must(t, m.DoubleAck(t.Context()))
}

// TestDevPortTaken: the error names the address in use, with a hint.
func TestDevPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	defer l.Close() //nolint:errcheck // the end of the test
	code, stdout, stderr := usher(t, "dev", "--json", "--listen", l.Addr().String())
	if code != cmdutil.ExitRuntime || stdout != "" || !strings.Contains(stderr, "usher: error: nats-server: ") || !strings.Contains(stderr, "usher: hint: --listen") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := usher(t, "dev", "--listen", "4222"); code != cmdutil.ExitUsage {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
