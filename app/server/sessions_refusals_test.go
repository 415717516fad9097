package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// TestRefusedByServer: a user JWT that the server does not accept is in audit, log and
// metrics with the server's reason, and no session is left.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	s := startOverFile(t)
	s.Edit(t, setup.FileDirectory, "account: APP", "account: NOWHERE")
	callouttest.Eventually(t, "the audit has the refusal", func() bool {
		if nc, err := nats.Connect(s.URL, nats.Token("alice-key"), nats.NoReconnect(), callouttest.ConnectTimeout()); err == nil {
			nc.Close()
		}
		audit, err := os.ReadFile(s.Path(setup.FileAudit))
		callouttest.Must(t, err)
		for line := range strings.Lines(string(audit)) {
			if strings.Contains(line, `"kind":"refused_by_server"`) && strings.Contains(line, `"code":"account_missing"`) &&
				strings.Contains(line, `"user":"alice"`) && strings.Contains(line, `"account":"NOWHERE"`) && strings.Contains(line, "No valid account") {
				return true
			}
		}
		return false
	})
	callouttest.Eventually(t, "no session is left", func() bool { return len(s.sessions(t, "user=alice")) == 0 })
	if !strings.Contains(s.log.String(), "a server did not accept a user JWT") {
		t.Error("no log line")
	}
	families, err := s.srv.Metrics().Gather()
	callouttest.Must(t, err)
	var total float64
	for _, f := range families {
		if f.GetName() == "usher_refused_by_server_total" {
			for _, m := range f.GetMetric() {
				total += m.GetCounter().GetValue()
			}
		}
	}
	if total == 0 {
		t.Error("not counted")
	}
}
