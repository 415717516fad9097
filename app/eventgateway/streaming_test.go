package eventgateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/callout/callouttest"
)

// Older supervisors publish through NATS Streaming, which is behind the internal server: to
// channel habitat, and nothing else. A service reads what they published. A supervisor that
// listens to everything it may sees none of it.
func TestStreaming(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.Start(t)
	s.startStreaming(t)
	t.Run("ingest", func(t *testing.T) { s.streaming.CheckIngest(t, s.supervisorArgs()...) })

	seen := s.listen(t)
	reader, publisher := s.read(t), s.publish(t, "secret", "5ms")
	callouttest.Eventually(t, "a service reads what a supervisor publishes", func() bool { return received(t, reader)["secret:50"] > 0 })
	// stan.go sends a ping every second.
	callouttest.Eventually(t, "the listener sees pings", func() bool { return strings.Contains(seen.String(), "_STAN.discover.event-service.pings") })
	if r := publisher.Result(); !r.OK || len(r.PermissionErrors) > 0 || r.Opened != 1 {
		t.Errorf("%+v", r)
	}
	if strings.Contains(seen.String(), "secret:") {
		t.Errorf("a supervisor sees events:\n%s", seen)
	}
	if !strings.Contains(seen.String(), "_STAN.acks.") {
		t.Errorf("docs/explanation/event-gateway.md says that it sees the acknowledgements of others:\n%s", seen)
	}
	if r := reader.Result(); !r.OK || len(r.PermissionErrors) > 0 {
		t.Errorf("%+v", r)
	}
}

// listen connects a supervisor that subscribes to everything it may. It returns the
// subjects and payloads of what arrives.
func (s *site) listen(t *testing.T) *callouttest.Buffer {
	t.Helper()
	seen := &callouttest.Buffer{}
	nc := s.Supervisor(t, gatewaytest.IngestToken)
	for _, subject := range []string{"_INBOX.>", "_STAN.acks.>", "_HB.>", "_STAN.discover.event-service.*"} {
		_, err := nc.Subscribe(subject, func(m *nats.Msg) { fmt.Fprintf(seen, "%s %q\n", m.Subject, m.Data) })
		callouttest.Must(t, err)
	}
	callouttest.Must(t, nc.Flush())
	return seen
}

// received returns how often a reader has printed each message.
func received(t *testing.T, reader *habitattest.StreamingProcess) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, line := range reader.Lines() {
		var m struct{ Data string }
		if json.Unmarshal([]byte(line), &m) == nil && m.Data != "" {
			counts[m.Data]++
		}
	}
	return counts
}

// unread returns which of the first n messages of a publisher have not been received.
func unread(got map[string]int, id string, n int) (lost []string) {
	for i := 1; i <= n; i++ {
		if m := fmt.Sprintf("%s:%d", id, i); got[m] == 0 {
			lost = append(lost, m)
		}
	}
	return lost
}
