package server_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/api/wire"
	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// sessions lists sessions as root.
func (s *overFile) sessions(t *testing.T, query string) []wire.Session {
	t.Helper()
	code, text := s.call(t, "root-key", "GET", "/v1/sessions?"+query, "")
	var list wire.SessionList
	if err := json.Unmarshal([]byte(text), &list); err != nil || code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	return list.Sessions
}

// TestSessionsOverAPI: an administrator sees who is connected, with what the server knows,
// what the session would get now, and closes it; the audit has who did it and why.
func TestSessionsOverAPI(t *testing.T) {
	t.Parallel()
	s := startOverFile(t)
	closed := make(chan struct{}, 8)
	nc := apptest.Connected(t, s.URL, nats.Token("alice-key"), nats.CustomInboxPrefix("_INBOX_alice"), nats.Name("desk"),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { closed <- struct{}{} }))
	_, err := nc.SubscribeSync("_INBOX_alice.x")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Publish("shop.orders", []byte("12345")))
	callouttest.Must(t, nc.Flush())
	callouttest.Eventually(t, "usher asks the server, and has recorded the session", func() bool {
		code, text := s.call(t, "root-key", "GET", "/v1/sessions?details=true", "")
		return code == http.StatusOK && strings.Contains(text, `"desk"`)
	})
	all := s.sessions(t, "user=alice&details=true&subject=shop.orders&from=127.0.0.0/8&since=1h&method=apikey&project=shop")
	if len(all) != 1 {
		t.Fatalf("%d sessions", len(all))
	}
	x := all[0]
	if x.Key != "laptop" || x.Account != "APP" || x.ClientName != "desk" || x.Details == nil || x.Details.MessagesIn != 1 || x.Details.BytesIn != 5 || strings.Join(x.Details.Subscriptions, " ") != "_INBOX_alice.x" {
		t.Errorf("session: %+v, details: %+v", x, x.Details)
	}
	for _, query := range []string{"user=bob", "subject=lab.orders", "from=192.0.2.0/24", "ends_within=1s", "server=other", "account=OTHER", "key=other"} {
		if found := s.sessions(t, query); len(found) != 0 {
			t.Errorf("%s finds %d sessions", query, len(found))
		}
	}
	explained := func() (out wire.SessionExplained) {
		_, text := s.call(t, "root-key", "GET", "/v1/sessions/"+x.ID, "")
		callouttest.Must(t, json.Unmarshal([]byte(text), &out))
		return out
	}
	if got := explained(); got.Lost != "" || got.Gained != "" || !strings.Contains(string(got.Was), `"shop.orders"`) || !strings.Contains(string(got.Now), `"shop.orders"`) {
		t.Errorf("explained: %+v", got)
	}
	s.Edit(t, setup.FileDirectory, "topics: [{name: orders, acl: [alice]}]", "topics: [{name: orders, acl: [alice]}, {name: returns, acl: [alice]}]")
	callouttest.Eventually(t, "the grant would be larger", func() bool { return strings.Contains(explained().Gained, "shop.returns") })

	code, text := s.call(t, "root-key", "POST", "/v1/sessions:kick", `{"user":"alice","reason":"leaves the company","expected":1}`)
	if code != http.StatusOK || !strings.Contains(text, `"closed":1`) {
		t.Fatalf("kick: %d %s", code, text)
	}
	<-closed
	callouttest.Eventually(t, "the audit has the closed session", func() bool {
		audit, err := os.ReadFile(s.Path(setup.FileAudit))
		callouttest.Must(t, err)
		for line := range strings.Lines(string(audit)) {
			if strings.Contains(line, `"kind":"session_closed"`) && strings.Contains(line, `"reason":"leaves the company"`) && strings.Contains(line, `"actor":"root"`) && strings.Contains(line, `"user":"alice"`) {
				return true
			}
		}
		return false
	})
}
