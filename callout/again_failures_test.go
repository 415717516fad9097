package callout_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// Attack: a client fails so often that its neighbours' sessions are not decided when their server is reloaded
// Held by: above the limit a live session is decided by itself, not shed
func TestReloadAboveFailureLimits(t *testing.T) {
	t.Parallel()
	r := startReloads(t, func(c *callouttest.ServiceConfig) { c.FailuresPerHost, c.FailuresPerCredential = 0.001, 0.001 })
	srv := r.o.Servers[0]
	stray := r.connect(t, srv.URL(), nats.UserInfo("", "another-password"), nats.Token("pia-key"))
	r.expect(t, r.service, 1)
	if nc, err := nats.Connect(srv.URL(), nats.Token("bad"), nats.NoReconnect(), nats.Timeout(testTimeout)); err == nil {
		nc.Close()
		t.Fatal("an unknown key connects")
	}
	srv.Reload(t)
	callouttest.Must(t, stray.FlushTimeout(testTimeout))
	events := r.service.Settled(t)
	if last := events[len(events)-1]; len(events) != 3 || last.Text("outcome") != "granted" {
		t.Errorf("%d events, the last: %v", len(events), last)
	}
}

// Attack: a client guesses keys in a session of its own, which goes on in any case
// Held by: each guess counts as a failure, and above the limit none is looked at
func TestGuessesInASession(t *testing.T) {
	t.Parallel()
	r := startReloads(t, func(c *callouttest.ServiceConfig) { c.FailuresPerHost = 0.001 })
	srv := r.o.Servers[0]
	stray := r.connect(t, srv.URL(), nats.UserInfo("", "another-password"), nats.Token("pia-key"))
	c := dialClient(t, srv.URL())
	c.exchange(t, "", `CONNECT {"auth_token":"pia-key","protocol":1}`)
	r.expect(t, r.service, 2)
	for range 6 { // the password of the first request is no guess
		srv.Reload(t)
	}
	callouttest.Must(t, stray.FlushTimeout(testTimeout))
	r.expect(t, r.service, 14)
	for i := range 8 {
		c.exchange(t, "", fmt.Sprintf(`CONNECT {"user":"pia","pass":"guess-%d","protocol":1}`, i))
	}
	refused := 0
	for _, e := range r.service.Settled(t)[14:] {
		if strings.Contains(e.Text("cause"), "what was presented was refused") {
			refused++
		}
		if e.Text("outcome") != "granted" || strings.Contains(e.Text("cause"), "guess-") {
			t.Errorf("%v", e)
		}
	}
	if refused != 1 {
		t.Errorf("%d guesses were looked at, want 1", refused)
	}
}
