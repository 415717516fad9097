package main

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// A service reads the durable of the bridge's stream, which is in the domain of the store.
func TestTryConsumeDomain(t *testing.T) {
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	g.Start(t)
	js, err := jetstream.NewWithDomain(g.Store(t), setup.StoreDomain)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "the durable is there", func() bool {
		_, err := js.Consumer(t.Context(), setup.StreamHabitat, setup.Durable)
		return err == nil
	})
	_, err = js.Publish(t.Context(), "stan.habitat", []byte("teapot"))
	callouttest.Must(t, err)
	name := setup.ServiceApplications
	code, stdout, stderr := usher(t, "try", "consume", "-s", "nats://"+g.Internal,
		"--ca", g.Path(setup.FileCA), "--cert", g.Path(setup.CertFile(name)), "--key", g.Path(setup.KeyFile(name)), "--server-name", setup.GatewayInternal,
		"--domain", setup.StoreDomain, setup.StreamHabitat, setup.Durable)
	if code != cmdutil.ExitOK || stdout != "stan.habitat: teapot (acknowledged)\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
