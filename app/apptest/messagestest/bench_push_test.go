package messagestest_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/wire"
	"usher/app/apptest/messagestest"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/internal/secretfile"
)

// pushers is how many subscriptions are pushed at once, and how many requests a bare client
// has open. One subscription is pushed by one request at a time.
const pushers = 8

// keepAlive returns a client that keeps as many connections as usher does.
func keepAlive(roots *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConns: 256, MaxIdleConnsPerHost: 256, DisableCompression: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
}

// counter is an HTTPS endpoint that keeps what is pushed, and answers none while it is closed.
type counter struct {
	*httptest.Server
	hash atomic.Value // of the endpoint that is verified now
	gate sync.RWMutex // held while it is closed

	mu     sync.Mutex
	bodies map[string][][]byte // by path; nil: they are not kept
	count  int                 // of messages in bodies
}

func newCounter(b *testing.B) *counter {
	b.Helper()
	c := &counter{}
	c.Server = httptest.NewTLSServer(http.HandlerFunc(c.serve))
	b.Cleanup(c.Close)
	return c
}

func (c *counter) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ams_verification_hash" {
		_, _ = fmt.Fprint(w, c.hash.Load())
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.gate.RLock()
	defer c.gate.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bodies != nil {
		c.bodies[r.URL.Path] = append(c.bodies[r.URL.Path], body)
		c.count += bytes.Count(body, []byte(`"messageId"`))
	}
}

// keep begins to keep what is pushed, and returns what was kept until now.
func (c *counter) keep(more bool) map[string][][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	bodies := c.bodies
	c.bodies, c.count = nil, 0
	if more {
		c.bodies = map[string][][]byte{}
	}
	return bodies
}

// awaits returns once n messages have been kept.
func (c *counter) awaits(b *testing.B, n int) {
	b.Helper()
	callouttest.EventuallyWithin(b, time.Minute, "all messages are pushed", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.count >= n
	})
}

func (c *counter) allow(b *testing.B) func(*config.Config) {
	b.Helper()
	caFile := b.TempDir() + "/receiver.pem"
	callouttest.Must(b, secretfile.Write(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})))
	u, err := url.Parse(c.URL)
	callouttest.Must(b, err)
	return func(cfg *config.Config) {
		cfg.Push.Inside, cfg.Push.CAFile, cfg.Push.Ports, cfg.Push.AllowNetworks = true, caFile, []string{u.Port()}, []string{"127.0.0.1/32"}
	}
}

// BenchmarkHTTPPush compares pushes of usher, from the store to the acknowledgement, with a
// client that posts the same bodies to the same endpoint over as many connections.
func BenchmarkHTTPPush(b *testing.B) {
	for _, c := range []struct {
		name                   string
		maxMessages, perPusher int
	}{{"one", 1, 400}, {"batch", 100, 1500}} {
		b.Run(c.name, func(b *testing.B) { benchmarkPush(b, c.maxMessages, c.perPusher) })
	}
}

func benchmarkPush(b *testing.B, maxMessages, perPusher int) {
	b.Helper()
	endpoint := newCounter(b)
	s := messagestest.Start(b, messagestest.Config{Change: endpoint.allow(b)})
	s.Project(b, "shop")
	boss := s.Member(b, "shop", "boss", directory.RoleProjectAdmin)
	s.Topic(b, "shop", "orders")
	js, err := jetstream.New(s.Connect(b, "boss", boss))
	callouttest.Must(b, err)
	consumers := make([]jetstream.Consumer, pushers)
	for i := range consumers {
		name := "s" + strconv.Itoa(i)
		pushSubscription(b, s, endpoint, name, maxMessages)
		consumers[i], err = js.Consumer(b.Context(), "shop", name)
		callouttest.Must(b, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(endpoint.Certificate())
	client := keepAlive(roots)
	b.Cleanup(client.CloseIdleConnections)
	var bodies map[string][][]byte // of the last turn
	byTurns(b, pushers*perPusher, func() {}, func() time.Duration {
		endpoint.gate.Lock()
		endpoint.keep(true)
		for range perPusher {
			_, err := js.PublishAsync("shop.orders", payload(), jetstream.WithStallWait(time.Minute))
			callouttest.Must(b, err)
		}
		<-js.PublishAsyncComplete()
		took := timed(func() {
			endpoint.gate.Unlock()
			endpoint.awaits(b, pushers*perPusher)
			for _, c := range consumers {
				callouttest.EventuallyWithin(b, time.Minute, "all messages are acknowledged", func() bool {
					info, err := c.Info(b.Context())
					return err == nil && info.NumPending == 0 && info.NumAckPending == 0
				})
			}
		})()
		bodies = endpoint.keep(false)
		return took
	}, timed(func() {
		var running sync.WaitGroup
		for path, all := range bodies {
			running.Go(func() {
				for _, body := range all {
					post(b, client, endpoint.URL+path, body)
				}
			})
		}
		running.Wait()
	}))
}

// pushSubscription creates a subscription whose endpoint is verified.
func pushSubscription(b *testing.B, s *messagestest.Site, endpoint *counter, name string, maxMessages int) {
	b.Helper()
	ctx := b.Context()
	sub, err := s.Admin.CreateSubscription(ctx, "shop", name, &wire.SubscriptionInput{
		Topic: "projects/shop/topics/orders", AckDeadlineSeconds: 60, PushConfig: wire.PushConfig{PushEndpoint: endpoint.URL + "/" + name, MaxMessages: maxMessages},
	})
	callouttest.Must(b, err)
	endpoint.hash.Store(sub.PushConfig.VerificationHash)
	status, answer := s.Do(b, s.AdminKey(), http.MethodPost, "/v1/projects/shop/subscriptions/"+name+":verifyPushEndpoint", "")
	if status != http.StatusOK {
		b.Fatalf("verify: %d %s", status, answer)
	}
}

// post pushes one body, as a client does that does nothing else.
func post(b *testing.B, client *http.Client, address string, body []byte) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, bytes.NewReader(body))
	if err == nil {
		r.Header.Set("Content-Type", "application/json")
		var response *http.Response
		if response, err = client.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
	if err != nil {
		b.Error(err)
	}
}
