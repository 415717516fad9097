package auditstream_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/auditstream"
	"usher/callout/callouttest"
	"usher/internal/audit"
	"usher/internal/audit/chain"
	"usher/issuer"
)

func TestMain(m *testing.M) {
	callouttest.RaiseParallelism()
	m.Run()
}

// broker is a server with JetStream that can be restarted.
type broker struct {
	*callouttest.Server
	url string
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	s := callouttest.StartServer(t, callouttest.ServerConfig{
		Keys: callouttest.NewKeys(t), NoCallout: true, Extra: fmt.Sprintf("jetstream: {store_dir: %q}\n", filepath.ToSlash(t.TempDir())),
	})
	return &broker{s, s.URL()}
}

func (b *broker) connect(t *testing.T) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(b.url, nats.UserInfo(callouttest.AdminUser, callouttest.Password), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true), callouttest.ConnectTimeout())
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	return nc
}

func config(t *testing.T, nc *nats.Conn) *auditstream.Config {
	t.Helper()
	return &auditstream.Config{
		Conn: nc, Stream: "USHER_AUDIT", Subject: "usher.audit", MaxAge: time.Hour, Replicas: 1, SpoolBytes: 1 << 20,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	}
}

// chained returns the audit in front of a Writer, and the public key of its signatures.
func chained(t *testing.T, w *auditstream.Writer, keys callouttest.Keys) (*audit.Log, string) {
	t.Helper()
	id, err := chain.NewID(time.Now(), rand.Reader)
	callouttest.Must(t, err)
	signer, err := issuer.NewSigner([]byte(keys.IssuerSeed))
	callouttest.Must(t, err)
	return audit.NewChained(chain.NewWriter(&chain.Config{Out: w, ID: id, Signer: func() chain.Signer { return signer }, Now: time.Now}), nil), signer.PublicKey()
}

// stored checks everything in the stream, and returns how often it has each request id.
func stored(t *testing.T, nc *nats.Conn, key string) map[string]int {
	t.Helper()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	s, err := js.Stream(t.Context(), "USHER_AUDIT")
	callouttest.Must(t, err)
	state := s.CachedInfo().State
	check := &chain.Checker{Keys: []string{key}, Shared: true}
	ids := map[string]int{}
	for seq := state.FirstSeq; seq <= state.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		callouttest.Must(t, err)
		check.Add(m.Data, chain.Place{Source: "stream", N: seq})
		if _, id, ok := strings.Cut(string(m.Data), `"request_id":"`); ok {
			id, _, _ = strings.Cut(id, `"`)
			ids[id]++
		}
		if kind := strings.TrimPrefix(m.Subject, "usher.audit."); kind != "decision" && !strings.HasPrefix(string(m.Data), `{"kind":"`+kind+`"`) {
			t.Errorf("subject %s of %s", m.Subject, m.Data)
		}
	}
	r := check.Done(true)
	for _, f := range r.Findings {
		t.Logf("%+v", f)
	}
	if r.Problems > 0 {
		t.Errorf("%d problems", r.Problems)
	}
	return ids
}

// waitStored waits until the stream answers and has a message.
func waitStored(t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	callouttest.Eventually(t, "the stream has messages", func() bool {
		s, err := js.Stream(t.Context(), "USHER_AUDIT")
		return err == nil && s.CachedInfo().State.Msgs > 0
	})
}

func closeBoth(t *testing.T, log *audit.Log, w *auditstream.Writer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	callouttest.Must(t, log.Close(ctx))
	callouttest.Must(t, w.Close(ctx))
}

// The server restarts twice under load: nothing is lost, and nothing is in the stream twice.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	keys := callouttest.NewKeys(t)
	nc := b.connect(t)
	w, err := auditstream.Open(config(t, nc))
	callouttest.Must(t, err)
	log, key := chained(t, w, keys)
	const events = 6000
	sent := 0
	put := func(until int) {
		for ; sent < until; sent++ {
			log.Write(audit.Event{Time: time.Now(), Outcome: "granted", RequestID: fmt.Sprintf("r%d", sent)})
		}
	}
	for i := range 2 {
		put((i + 1) * events / 4)
		// A nats-server that stops while it starts can panic, with a request to JetStream
		// waiting: this one answers before it stops.
		waitStored(t, nc)
		b.Stop()
		put((i+1)*events/4 + events/8)
		b.Start(t)
	}
	put(events)
	closeBoth(t, log, w)
	ids := stored(t, nc, key)
	for i := range events {
		if n := ids[fmt.Sprintf("r%d", i)]; n != 1 {
			t.Fatalf("event %d is in the stream %d times", i, n)
		}
	}
	if log.Lost() != 0 || w.Lost() != 0 || len(ids) != events {
		t.Errorf("%d and %d lost, %d events", log.Lost(), w.Lost(), len(ids))
	}
}

// What JetStream does not take in time is in the spool file, and the next start stores it first.
func TestSpool(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	keys := callouttest.NewKeys(t)
	nc := b.connect(t)
	b.Stop()
	cfg := config(t, nc)
	cfg.Spool, cfg.Lines = filepath.Join(t.TempDir(), "spool"), 10
	const events = 300
	var key string
	write := func(from, to int, wait time.Duration) error {
		w, err := auditstream.Open(cfg)
		callouttest.Must(t, err)
		var log *audit.Log
		log, key = chained(t, w, keys)
		for i := from; i < to; i++ {
			log.Write(audit.Event{Time: time.Now(), Outcome: "granted", RequestID: fmt.Sprintf("r%d", i)})
		}
		callouttest.Must(t, log.Close(t.Context()))
		if from == 0 && w.Waiting() != events/2+2 {
			t.Errorf("%d wait", w.Waiting())
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		return w.Close(ctx)
	}
	callouttest.Must(t, write(0, events/2, time.Millisecond))
	text, err := os.ReadFile(cfg.Spool)
	callouttest.Must(t, err)
	if n := strings.Count(string(text), "\n"); n != events/2+2 {
		t.Errorf("%d lines in the spool file", n)
	}
	b.Start(t)
	callouttest.Must(t, write(events/2, events, time.Minute))
	if ids := stored(t, nc, key); len(ids) != events {
		t.Errorf("%d events", len(ids))
	}
	if info, err := os.Stat(cfg.Spool); err != nil || info.Size() != 0 {
		t.Errorf("the spool file is not empty: %v %v", info, err)
	}
}

// Without a spool file the audit in front counts what does not fit, and the rest is counted
// when the process stops.
func TestFull(t *testing.T) {
	t.Parallel()
	nc, err := nats.Connect(fmt.Sprintf("nats://127.0.0.1:%d", callouttest.FreePort(t)), nats.RetryOnFailedConnect(true), nats.ReconnectBufSize(-1))
	callouttest.Must(t, err)
	t.Cleanup(nc.Close)
	cfg := config(t, nc)
	cfg.Lines = 5
	w, err := auditstream.Open(cfg)
	callouttest.Must(t, err)
	log, _ := chained(t, w, callouttest.NewKeys(t))
	const events = 10000 // more than the queue of the audit
	for range events {
		log.Write(audit.Event{Outcome: "granted"})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := log.Close(ctx); err == nil {
		t.Error("closed in no time")
	}
	if err := w.Close(ctx); err == nil || w.Lost() != 5 {
		t.Errorf("%v, %d lost", err, w.Lost())
	}
	callouttest.Must(t, log.Close(t.Context())) // nothing waits any more
	if got := log.Lost() + w.Lost(); got < events || got > events+2 {
		t.Errorf("%d lost", got)
	}
}

// A line that no server takes is refused before it has a place in the chain.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	nc := b.connect(t)
	w, err := auditstream.Open(config(t, nc))
	callouttest.Must(t, err)
	log, key := chained(t, w, callouttest.NewKeys(t))
	log.Write(audit.Event{RequestID: "a", Cause: strings.Repeat("x", 1<<20)})
	log.Write(audit.Event{RequestID: "b"})
	closeBoth(t, log, w)
	if ids := stored(t, nc, key); len(ids) != 1 || log.Lost() != 1 {
		t.Errorf("%v, %d lost", ids, log.Lost())
	}
}
