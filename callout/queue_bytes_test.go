package callout_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/callout"
	"usher/callout/callouttest"
)

// Attack: few large requests, as MQTT clients without a credential can make them, fill the memory of usher
// Held by: the requests that are not finished have a limit in bytes; above it usher sheds those that arrive
func TestQueueHasALimitInBytes(t *testing.T) {
	const n, limit = 30, 16 << 20
	s, i, g := newGatedEnv(t, callouttest.ServiceConfig{Queue: 200, Budget: time.Minute})
	first := i.request(t, heavyHost, "first", "publisher-key")
	inFlight(t, s.service, 1)
	large := i.with(func(c *jwt.AuthorizationRequestClaims) {
		c.ClientInformation.Host, c.ConnectOptions.Token = heavyHost, strings.Repeat("t", 700_000)
	})
	for range n {
		callouttest.Must(t, i.nc.PublishMsg(large))
	}
	fit := limit / len(large.Data)
	s.waitShed(t, callout.CodeQueueFull, n-fit)
	inFlight(t, s.service, 1+fit)
	close(g.pass)
	inFlight(t, s.service, 0)
	if !first.granted() || !i.request(t, lightHost, "later", "publisher-key").granted() {
		t.Error("a client is denied")
	}
	s.waitShed(t, callout.CodeQueueFull, n-fit)
}
