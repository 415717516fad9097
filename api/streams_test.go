package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api"
	"usher/app/messages/streams"
	"usher/callout/callouttest"
)

var errUnreachable = errors.New("account APP does not answer")

// managed returns an API that keeps streams, JetStream of every account, and a switch by which
// accounts do not answer.
func managed(t *testing.T) (s *service, js jetstream.JetStream, down *atomic.Bool) {
	t.Helper()
	server := callouttest.RunServerConfig(t, fmt.Sprintf("listen: 127.0.0.1:-1\njetstream {store_dir: %q}\n", filepath.ToSlash(t.TempDir())))
	nc, err := nats.Connect(server.ClientURL(), nats.Timeout(20*time.Second))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	js, err = jetstream.New(nc)
	callouttest.Must(t, err)
	down = &atomic.Bool{}
	s = start(t, nil, func(c *api.Config) {
		c.Streams = streams.New(streams.Config{
			JetStream: func(context.Context, string) (jetstream.JetStream, error) {
				if down.Load() {
					return nil, errUnreachable
				}
				return js, nil
			},
			Replicas: 1, Storage: jetstream.MemoryStorage, MaxBytes: -1, Log: slog.New(slog.DiscardHandler),
		})
	})
	return s, js, down
}

// TestManagedStreams: JetStream has what a change says as soon as the change is answered, and
// what would lose messages needs purge.
func TestManagedStreams(t *testing.T) {
	t.Parallel()
	s, js, _ := managed(t)
	ctx := t.Context()
	publish := func(subject string) {
		t.Helper()
		_, err := js.Publish(ctx, subject, []byte("x"))
		callouttest.Must(t, err)
	}
	refused := func(path, want string) {
		t.Helper()
		got := s.root(409, "DELETE", path, "")
		if e := got.error(t); !strings.Contains(e.Message+strings.Join(e.Errors, " "), want) || !strings.Contains(got.text, "purge=true") {
			t.Errorf("%s: %s", path, got.text)
		}
	}
	has := func(consumer string) bool {
		t.Helper()
		_, err := js.Consumer(ctx, "shop", consumer)
		return err == nil
	}
	s.root(200, "PUT", "/v1/projects/shop/topics/new", "")
	publish("shop.new")
	s.root(200, "PUT", "/v1/projects/shop/subscriptions/s", `{"topic":"projects/shop/topics/new","ackDeadlineSeconds":33}`)
	c, err := js.Consumer(ctx, "shop", "s")
	callouttest.Must(t, err)
	if x := c.CachedInfo().Config; x.AckWait != 33*time.Second || x.FilterSubject != "shop.new" || !has("billing") {
		t.Errorf("%+v", x)
	}
	s.root(200, "DELETE", "/v1/projects/shop/subscriptions/audit", "") // nothing is lost
	publish("shop.new")
	refused("/v1/projects/shop/subscriptions/s", "1 message that nobody has acknowledged would be lost")
	refused("/v1/projects/shop", "2 messages would be lost")
	s.root(200, "DELETE", "/v1/projects/shop/subscriptions/s?purge=true", "")
	if has("s") || has("audit") {
		t.Error("a consumer is left")
	}
	refused("/v1/projects/shop/topics/new", "2 messages would be lost")
	if got := s.root(409, "DELETE", "/v1/projects/shop/topics/orders", ""); !strings.Contains(got.text, "Topic is read by") {
		t.Error(got.text)
	}
	s.root(400, "DELETE", "/v1/projects/shop/topics/new?purge=yes", "")
	s.root(200, "DELETE", "/v1/projects/shop/topics/new?purge=true", "")
	if _, err := js.Publish(ctx, "shop.new", nil); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("the stream still has the subject: %v", err)
	}
	s.root(200, "PUT", "/v1/projects/shop", `{"name":"store"}`)
	if _, err := js.Stream(ctx, "shop"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Error(err)
	}
	publish("store.orders")
	got := s.root(200, "PUT", "/v1/projects/store", `{"name":"shop"}`)
	if w := got.Get("Warning"); !strings.HasPrefix(w, `299 usher "`) || !strings.Contains(w, "stream store in account APP stays, with 1 message(s)") {
		t.Errorf("%q", w)
	}
	s.root(200, "DELETE", "/v1/projects/shop?purge=true", "")
	if _, err := js.Stream(ctx, "shop"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Error(err)
	}
	s.root(404, "DELETE", "/v1/projects/shop/topics/orders", "")
}

// TestStreamsDoNotAnswer: a change is made although JetStream does not answer, and its answer
// says so. What could lose messages is not removed.
func TestStreamsDoNotAnswer(t *testing.T) {
	t.Parallel()
	s, js, down := managed(t)
	s.root(200, "PUT", "/v1/projects/shop/topics/first", "")
	down.Store(true)
	warned := func(method, path string) {
		t.Helper()
		got := s.root(200, method, path, "")
		if w := got.Get("Warning"); !strings.Contains(w, "JetStream is not in step with it: account APP does not answer") {
			t.Errorf("%s: %q", path, w)
		}
	}
	warned("PUT", "/v1/projects/shop/topics/new")
	if got := s.root(503, "DELETE", "/v1/projects/shop/topics/new", ""); !strings.Contains(got.text, "nothing was removed") {
		t.Error(got.text)
	}
	s.root(200, "GET", "/v1/projects/shop/topics/new", "")
	warned("DELETE", "/v1/projects/shop/topics/new?purge=true")
	down.Store(false)
	s.root(200, "PUT", "/v1/projects/shop/topics/more", "")
	_, err := js.Publish(t.Context(), "shop.more", nil)
	callouttest.Must(t, err)
	if !strings.Contains(s.logged(), "JetStream is not in step") {
		t.Error("the log does not say so")
	}
}
