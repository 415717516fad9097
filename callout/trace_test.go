package callout_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// checkTrace checks whether the server publishes the trace of a message to a subject to
// which its publisher may not publish.
func checkTrace(t *testing.T, want bool) {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Program: *serverProgram})
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Directory: callouttest.WithDigests(matrixDirectory),
	})
	admin := srv.Connect(t, callouttest.AdminUser)
	got, err := admin.SubscribeSync("shop.>")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.FlushTimeout(testTimeout))
	nc, err := nats.Connect(srv.URL(), nats.Token("near-key"), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	for _, dest := range []string{"shop.returns", "shop.orders"} {
		m := nats.NewMsg("shop.orders")
		m.Data = []byte(dest)
		m.Header.Set("Nats-Trace-Dest", dest)
		m.Header.Set("Nats-Trace-Only", "true")
		callouttest.Must(t, nc.PublishMsg(m))
	}
	// The server sends traces in order. A server without traces delivers the messages.
	traced := false
	for {
		m, err := got.NextMsg(testTimeout)
		callouttest.Must(t, err)
		if m.Subject == "shop.orders" && string(m.Data) != "shop.returns" {
			break // the second message
		}
		traced = traced || m.Subject == "shop.returns"
	}
	if traced != want {
		t.Errorf("trace on shop.returns, to which the publisher may not publish: %t", traced)
	}
}
