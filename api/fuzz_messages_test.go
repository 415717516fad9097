package api_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/messages"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory/snapshot"
)

// neverWaits is a Store whose pulls do not wait for a message.
type neverWaits struct{ messages.Store }

func (s neverWaits) Pull(ctx context.Context, sub messages.SubscriptionRef, limit, maxBytes int, _ time.Duration) ([]messages.Received, error) {
	return s.Store.Pull(ctx, sub, limit, maxBytes, 0)
}

// Every body of the routes of messages and pushes gets a documented response, only what was
// pulled is acknowledged, and the directory stays valid.
func FuzzMessageBody(f *testing.F) {
	var routes []rest.Route
	for _, r := range api.Routes() {
		if r.Body != nil && strings.HasPrefix(r.Path, "/v1/projects/{project}/") && strings.Contains(r.Path, "}:") && r.Name != "member.add" {
			routes = append(routes, r)
		}
	}
	if len(routes) < 8 {
		f.Fatalf("%d routes", len(routes))
	}
	seeds := []string{
		"", "{}", "null", `[{"a":1}]`, `{"messages":[{"attributes":{"a":"b"},"data":"aGk="},{"data":""}]}`, `{"messages":[{"data":"a"}]}`,
		`{"maxMessages":"10","returnImmediately":"false"}`, `{"maxMessages":1e9,"returnImmediately":true}`,
		`{"ackIds":["projects/shop/subscriptions/billing:0"]}`, `{"ackIds":["ACKID","ACKID"]}`, `{"AckIds":[],"ackIds":["\ud800"]}`,
		`{"ackDeadlineSeconds":600}`, `{"offset":5}`, `{"offset":18446744073709551616}`, `{"offset":-1}`, `{"authorized_users":["pub"]}`,
		`{"pushConfig":{}}`, `{"pushConfig":{"type":"mattermost","mattermostUrl":"https://h.example/hooks/x","mattermostUsername":"u"}}`,
		`{"pushConfig":{"pushEndpoint":"https://h.example/in","maxMessages":5,"retryPolicy":{"type":"slowstart","period":1},"authorizationHeader":{"type":"disabled"}}}`,
		`{"pushConfig":{"pushEndpoint":"https://[::ffff:127.0.0.1]/in"}}`, "{\"messages\":[{\"attributes\":{\"\xff\":\"\\u0000\"}}]}",
	}
	for i := range routes {
		for _, seed := range seeds {
			f.Add(byte(i), seed)
		}
	}
	// One service is enough for all: a seed would start a thousand of them.
	s, store := startMessages(f, func(c *api.Config) { c.Messages, c.Push.Box = neverWaits{c.Messages}, plainBox{} })
	f.Fuzz(func(t *testing.T, which byte, body string) {
		s.mu.Lock()
		s.log.Reset()
		s.audited = nil
		s.mu.Unlock()
		store.reset()
		r := &routes[int(which)%len(routes)]
		path := strings.NewReplacer("{project}", "shop", "{topic}", "orders", "{subscription}", "billing").Replace(r.Path)
		id := s.pulled(t)
		got := s.serve(r.Method, &url.URL{Path: path}, strings.ReplaceAll(body, "ACKID", id))
		s.checkResponse(t, got)
		if got.code == http.StatusOK && r.Changes() && len(s.changes()) == 0 {
			t.Error("a change was not audited")
		}
		if acked := store.acked["shop/billing"]; len(acked) > 0 && !strings.Contains(body, "ACKID") && !strings.Contains(body, id) {
			t.Errorf("%q acknowledges %v", body, acked)
		}
		if _, err := snapshot.New(s.store.Snapshot().Records()); err != nil {
			t.Errorf("the directory is invalid: %v", err)
		}
	})
}

// pulled publishes a message, pulls it, and returns its ack id.
func (s *service) pulled(t *testing.T) string {
	t.Helper()
	s.serve(http.MethodPost, &url.URL{Path: pathOrders + ":publish"}, `{"messages":[{"data":"aGk="}]}`)
	all := decode[wire.ReceivedMessages](t, s.serve(http.MethodPost, &url.URL{Path: pathBilling + ":pull"}, "")).ReceivedMessages
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	return all[0].AckID
}
