package eventgateway_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// Attack: a supervisor names a subject below those of events for an answer of the streaming server, so that services receive the answer as an event that the supervisor may not publish.
// Held by: only habitat.event.* crosses from supervisors to services, which is what a supervisor may publish.
func TestAnswerIsNoEvent(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	g.Start(t)
	attacker := g.Supervisor(t, gatewaytest.IngestToken)
	service := g.Service(t, setup.ServiceApplications)
	events, err := service.SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	request := text(1, "attacker", 2, "_INBOX.x")
	callouttest.Eventually(t, "events cross", func() bool {
		callouttest.Must(t, attacker.Publish("habitat.event.healthcheck", nil))
		_, err := events.NextMsg(time.Second)
		return err == nil
	})
	for _, subject := range []string{"habitat.event.a.b", "habitat.event.a.b.c"} {
		callouttest.Must(t, attacker.PublishRequest("_STAN.discover."+setup.StreamingCluster, subject, request))
	}
	// The bridge answers in the order of the requests.
	_, err = attacker.Request("_STAN.discover."+setup.StreamingCluster, request, patience)
	callouttest.Must(t, err)
	callouttest.Must(t, attacker.Publish("habitat.event.last", nil))
	for {
		m, err := events.NextMsg(patience)
		callouttest.Must(t, err)
		if m.Subject == "habitat.event.last" {
			break
		}
		if m.Subject != "habitat.event.healthcheck" {
			t.Errorf("an answer arrives as an event: %s", m.Subject)
		}
	}
}

// What docs/explanation/event-gateway.md says a malicious token holder can do to others that
// publish through the bridge: it forges acknowledgements, and tells others that the bridge
// does not know them.
func TestBridgeMisuse(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.WithBridge(t))
	g.Start(t)
	attacker, victim := g.Supervisor(t, gatewaytest.IngestToken), g.Supervisor(t, gatewaytest.IngestToken)
	acks, err := victim.SubscribeSync("_STAN.acks.of-the-victim")
	callouttest.Must(t, err)
	callouttest.Must(t, victim.Flush())
	forged := text(1, "attacker", 2, "guid-of-the-victim", 3, channel, 5, "something else")
	callouttest.Eventually(t, "an acknowledgement of what the victim did not send", func() bool {
		callouttest.Must(t, attacker.PublishRequest("_STAN.pub."+setup.StreamingCluster+"."+channel, acks.Subject, forged))
		m, err := acks.NextMsg(time.Second)
		return err == nil && field(m.Data, 1) == "guid-of-the-victim" && field(m.Data, 2) == ""
	})

	pings, err := attacker.Subscribe("_STAN.discover."+setup.StreamingCluster+".*", func(m *nats.Msg) {
		if err := m.Respond(text(1, "unknown")); err != nil {
			t.Error(err)
		}
	})
	callouttest.Must(t, err)
	callouttest.Must(t, attacker.Flush())
	callouttest.Eventually(t, "the victim is told that it is not known", func() bool {
		m, err := victim.Request("_STAN.discover."+setup.StreamingCluster+".pings", text(1, "connection"), patience)
		return err == nil && field(m.Data, 1) == "unknown"
	})
	callouttest.Must(t, pings.Unsubscribe())
}

// Attack: who has a token subscribes without end on one connection, to fill the memory of the external server.
// Held by: the external server limits the subscriptions of a connection.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Start(t)
	failed := make(chan error, 1)
	attacker := g.Supervisor(t, gatewaytest.IngestToken, nats.NoReconnect(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case failed <- err:
		default:
		}
	}))
	for range 101 {
		if _, err := attacker.SubscribeSync(nats.NewInbox()); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-failed:
		if !errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("101 subscriptions are accepted")
	}
}
