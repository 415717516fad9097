package callout_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
)

// A server accepts no JWT above 1 MiB, whatever its max_payload, and treats a larger one
// as a denial. So usher does not send such an answer.
func TestAnswerAboveMaximumJWT(t *testing.T) {
	t.Parallel() // mostly waits
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Extra: "max_payload: 8MB\n", Timeout: silenceTimeout})
	var topics strings.Builder
	for i := range 14_000 {
		fmt.Fprintf(&topics, "      - {name: a-name-so-long-that-fewer-topics-are-enough-%d, acl: [alice]}\n", i)
	}
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Budget: time.Minute,
		Directory: callouttest.WithDigests("users:\n  - {name: alice, keys: [{digest: KEY(alice-key)}]}\n" +
			"projects:\n  - name: shop\n    account: APP\n    members: [{user: alice, roles: [publisher]}]\n    topics:\n" + topics.String()),
	})
	expectNoAnswer(t, srv.URL(), func() bool {
		events := service.Events(t)
		return len(events) > 0 && events[0].Text("code") == "grant_too_large"
	}, nats.Token("alice-key"))
}
