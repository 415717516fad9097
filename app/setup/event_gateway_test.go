package setup_test

import (
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// What a supervisor publishes to the external server arrives at a service of the internal
// one, over the gateway.
func TestEventGateway(t *testing.T) {
	g := gatewaytest.New(t, nil)
	g.Start(t)
	service := g.Service(t, setup.ServiceApplications)
	events, err := service.QueueSubscribeSync("habitat.event.>", "automate")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	supervisor := g.Supervisor(t, gatewaytest.IngestToken)
	callouttest.Must(t, supervisor.Publish("habitat.event.healthcheck", []byte("x")))
	m, err := events.NextMsg(10 * time.Second)
	callouttest.Must(t, err)
	if m.Subject != "habitat.event.healthcheck" || string(m.Data) != "x" {
		t.Errorf("received %s %q", m.Subject, m.Data)
	}
}
