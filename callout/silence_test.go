package callout_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/identity"
	"usher/tokens"
)

// unavailableVerifier is a verifier whose backend is down.
type unavailableVerifier struct{}

func (unavailableVerifier) Name() string { return "unavailable" }

func (unavailableVerifier) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("%w: the backend is down", tokens.ErrUnavailable)
}

// A request that usher cannot decide is not answered. A nats-server without an answer
// within its authorization.timeout sends "Authorization Violation" as well. So the
// timeout must be longer than clients wait: then they see a timeout and retry. nats.go
// gives up after 2 s, or after 2.3 s if its own timeout is longer, because the first
// PING of the server aborts its handshake.
func TestSilence(t *testing.T) {
	t.Parallel() // mostly waits
	var clients sync.WaitGroup
	for _, c := range []struct {
		name   string
		client time.Duration
	}{
		{"client's default", nats.DefaultTimeout},
		{"client with a long timeout", 2 * silenceTimeout * time.Second},
	} {
		keys := callouttest.NewKeys(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Timeout: silenceTimeout, ShortFirstPing: true})
		service := callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys),
			Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			Verifiers: []tokens.Verifier{unavailableVerifier{}},
		})
		clients.Go(func() {
			nc, err := nats.Connect(srv.URL(), nats.Token("publisher-key"), nats.Timeout(c.client))
			if err == nil {
				nc.Close()
				t.Errorf("%s: connected", c.name)
			} else if errors.Is(err, nats.ErrAuthorization) {
				t.Errorf("%s: %v", c.name, err)
			}
		})
		e := service.WaitEvent(t, "verifier_unavailable")
		if e.Text("outcome") != "unavailable" {
			t.Errorf("%s: event %v", c.name, e)
		}
	}
	clients.Wait()
}

// expectNoAnswer connects a client, and checks that it gets no answer. It closes the
// connection shortly after the request is in the audit, before the server times out.
func expectNoAnswer(t *testing.T, url string, inAudit func() bool, opts ...nats.Option) {
	t.Helper()
	const wait = 500 * time.Millisecond
	c, ended := &hostDialer{from: "127.0.0.1"}, make(chan error, 1)
	go func() { ended <- attempt(url, append(opts, nats.SetCustomDialer(c), nats.Timeout(4*testTimeout))...) }()
	callouttest.Eventually(t, "the request is in the audit", inAudit)
	var err error
	select {
	case err = <-ended:
	case <-time.After(wait):
		c.closeConns()
		err = <-ended
	}
	if err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v, want no answer", err)
	}
}
