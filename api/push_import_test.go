package api_test

import (
	"strings"
	"testing"

	"usher/api/wire"
)

// An import may have endpoints that the rules of this installation refuse, and headers that its
// keys do not open. Nothing is pushed to them, and the import says so.
func TestImportDoubtsPushes(t *testing.T) {
	s, endpoint, _ := pushed(t)
	file := `projects: [{name: shop, account: APP, topics: [{name: orders}], subscriptions: [
  {name: good, topic: orders, push: {type: http_endpoint, endpoint: "` + endpoint + `"}},
  {name: inner, topic: orders, push: {type: http_endpoint, endpoint: "https://10.0.0.1/in?token=opaque"}},
  {name: sealed, topic: orders, push: {type: http_endpoint, endpoint: "https://h.example/", authorization: {sealed: "Z2FyYmFnZQ=="}}}]}]`
	for _, query := range []string{"?dryRun=true", ""} {
		got := s.root(200, "POST", "/v1/directory:import"+query, file)
		warnings := strings.Join(got.Values("Warning"), "\n")
		if len(got.Values("Warning")) != 2 || !strings.Contains(warnings, "shop/inner: the address is not allowed") && !strings.Contains(warnings, "push.allow_networks") ||
			!strings.Contains(warnings, "shop/sealed: the signing keys do not open") || strings.Contains(warnings, "opaque") {
			t.Errorf("%s: %s", query, warnings)
		}
	}
	if again := s.root(200, "POST", "/v1/directory:import", file); len(again.Values("Warning")) != 0 {
		t.Errorf("nothing has changed: %v", again.Values("Warning"))
	}
}

// Attack: a subscription is deleted and created again, and an ack id of the old one acknowledges a message of the new one
// Held by: ack ids are bound to the time at which the subscription was created
func TestAckIDOfDeletedSubscription(t *testing.T) {
	s, _ := startMessages(t, nil)
	s.root(200, "POST", "/v1/projects/shop/topics/orders:publish", `{"messages":[{"data":"eA=="}]}`)
	pulled := decode[wire.ReceivedMessages](t, s.root(200, "POST", billing+":pull", ""))
	id := pulled.ReceivedMessages[0].AckID
	s.root(200, "DELETE", billing, "")
	s.now.Add(1)
	s.root(200, "PUT", billing, `{"topic":"projects/shop/topics/orders"}`)
	s.root(408, "POST", billing+":acknowledge", `{"ackIds":["`+id+`"]}`)
}
