package callout_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callouttest"
)

// However large its max_payload, a server reads no JWT above 1 MiB, and takes one
// for a refusal. So such an answer is not sent.
func TestAnswerAboveTheLargestJWT(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Extra: "max_payload: 8MB\n"})
	var topics strings.Builder
	for i := range 14_000 {
		fmt.Fprintf(&topics, "      - {name: a-name-so-long-that-fewer-topics-are-enough-%d, acl: [alice]}\n", i)
	}
	service := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Budget: 10 * time.Second,
		Directory: callouttest.Directory("users:\n  - {name: alice, keys: [{digest: KEY(alice-key)}]}\n" +
			"projects:\n  - name: shop\n    account: APP\n    members: [{user: alice, roles: [publisher]}]\n    topics:\n" + topics.String()),
	})
	nc, err := nats.Connect(srv.URL(), nats.Token("alice-key"), nats.Timeout(time.Second))
	if err == nil {
		nc.Close()
	}
	if err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v, want no answer", err)
	}
	callouttest.Eventually(t, "the audit says why", func() bool {
		events := service.Events(t)
		return len(events) > 0 && events[0].Text("code") == "grant_too_large"
	})
}
