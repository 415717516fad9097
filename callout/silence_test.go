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

func (unavailableVerifier) Name() string { return "undecided" }

func (unavailableVerifier) Verify(context.Context, *tokens.Credential) (identity.Identity, error) {
	return identity.Identity{}, fmt.Errorf("%w: the backend is down", tokens.ErrUnavailable)
}

// What cannot be decided is not answered. A nats-server that has no answer
// within its authorization.timeout sends "Authorization Violation" all the
// same, so that must be longer than clients wait: then they take it for a
// timeout, and try again. nats.go gives up after 2 s, or 2.3 s when its own
// timeout is longer, because the server's first PING ends its handshake.
func TestSilence(t *testing.T) {
	t.Parallel() // it waits, and so do others
	var clients sync.WaitGroup
	for _, c := range []struct {
		name   string
		client time.Duration
	}{
		{"client's default", nats.DefaultTimeout},
		{"patient client", 2 * silenceTimeout * time.Second},
	} {
		keys := callouttest.NewKeys(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Timeout: silenceTimeout})
		service := callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys),
			Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			Verifiers: []tokens.Verifier{unavailableVerifier{}},
		})
		clients.Go(func() {
			nc, err := nats.Connect(srv.URL(), nats.Token("publisher-key"), nats.Timeout(c.client))
			if err == nil {
				nc.Close()
				t.Errorf("%s: let in", c.name)
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

// expectNoAnswer has a client connect that gets no answer, and hang up a while after the
// audit says why: however slow the machine is, there is a request then, and the
// server has not given up on it.
func expectNoAnswer(t *testing.T, url string, inAudit func() bool, opts ...nats.Option) {
	t.Helper()
	const while = 500 * time.Millisecond
	c, ended := &hostDialer{from: "127.0.0.1"}, make(chan error, 1)
	go func() { ended <- attempt(url, append(opts, nats.SetCustomDialer(c), nats.Timeout(4*testTimeout))...) }()
	callouttest.Eventually(t, "the audit says why", inAudit)
	var err error
	select {
	case err = <-ended:
	case <-time.After(while):
		c.closeConns()
		err = <-ended
	}
	if err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v, want no answer", err)
	}
}
