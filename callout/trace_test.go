package callout_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// checkTrace fails the test unless the server puts the trace of a message where its
// publisher may not publish, or does not.
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
	// The server sends traces in order. One that makes none delivers the messages.
	traced := false
	for {
		m, err := got.NextMsg(testTimeout)
		callouttest.Must(t, err)
		if m.Subject == "shop.orders" && string(m.Data) != "shop.returns" {
			break // the second
		}
		traced = traced || m.Subject == "shop.returns"
	}
	if traced != want {
		t.Errorf("a trace is at shop.returns, where its publisher may not publish: %t", traced)
	}
}
