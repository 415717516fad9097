package exchange_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/sessions/exchange"
	"usher/callout/callouttest"
)

// A replica that nobody has heard for a while keeps what only it knows: the others ask it
// when it is back, though they have asked each other meanwhile.
func TestReplicaThatComesBack(t *testing.T) {
	t.Parallel()
	server := startServer(t, callouttest.ServerConfig{})
	all := startAll(t, server.URL(), 2)
	all[1].grant(100, 110)
	all[0].waitSessions(t, numbers(100, 110))

	nc := server.Connect(t, callouttest.ServiceUser)
	beat, err := exchange.Beat("far", 1)
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Publish(exchange.SubjectAll, sealed(exchange.SubjectAll, "", beat)))
	for _, r := range all {
		callouttest.Eventually(t, "it is gone, and there is nobody left to ask", func() bool {
			s := r.Status()
			return s.Gaps == 1 && s.Missing == 0
		})
	}

	page, err := exchange.Page("far", connection(7, "far"))
	callouttest.Must(t, err)
	_, err = nc.Subscribe(exchange.SubjectTo+"far", func(m *nats.Msg) { _ = m.Respond(sealed(m.Reply, "", page)) })
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Publish(exchange.SubjectAll, sealed(exchange.SubjectAll, "", beat)))
	want := numbers(100, 110)
	want[7] = true
	for _, r := range all {
		r.waitSessions(t, want)
	}
}
