package kv_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// api sends a request to the JetStream API.
func api(tb testing.TB, c *nats.Conn, subject string, request any) map[string]any {
	tb.Helper()
	var body []byte
	if request != nil {
		var err error
		body, err = json.Marshal(request)
		callouttest.Must(tb, err)
	}
	answer, err := c.Request("$JS.API."+subject, body, 10*time.Second)
	callouttest.Must(tb, err)
	var said map[string]any
	callouttest.Must(tb, json.Unmarshal(answer.Data, &said))
	if said["error"] != nil {
		tb.Fatalf("%s: %s", subject, answer.Data)
	}
	return said
}

// A bucket that could lose entries or a part of a change is refused, with the reason.
func TestUnsuitableBucket(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(config map[string]any){
		"its history is 5, not 1":              func(c map[string]any) { c["max_msgs_per_subject"] = 5 },
		"allow_atomic is off":                  func(c map[string]any) { c["allow_atomic"] = false },
		"allow_msg_ttl is off":                 func(c map[string]any) { c["allow_msg_ttl"] = false },
		"its entries expire":                   func(c map[string]any) { c["max_age"] = int64(time.Hour) },
		"it discards old entries when it is":   func(c map[string]any) { c["discard"] = "old" },
		"deny_delete or deny_purge is off":     func(c map[string]any) { c["deny_purge"] = false },
		"it has other subjects":                func(c map[string]any) { c["subjects"] = []string{"$KV.usher.>", "more.>"} },
		"deny_delete or deny_purge is off, so": func(c map[string]any) { c["deny_delete"] = false },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := jetStream(t)
			stop := run(t, open(t, kv.Config{Conn: c, Create: true}))
			var made map[string]any
			callouttest.Eventually(t, "the bucket is created", func() bool {
				m, err := c.Request("$JS.API.STREAM.INFO.KV_usher", nil, 10*time.Second)
				made = nil
				return err == nil && json.Unmarshal(m.Data, &made) == nil && made["error"] == nil
			})
			stop()
			config := made["config"].(map[string]any)
			api(t, c, "STREAM.DELETE.KV_usher", nil)
			spoil(config)
			api(t, c, "STREAM.CREATE.KV_usher", config)

			var log callouttest.Buffer
			s := start(t, kv.Config{Conn: c, Create: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
			callouttest.Eventually(t, "the reason is logged", func() bool {
				return strings.Contains(log.String(), "bucket usher: "+kv.ErrBucket.Error()+": "+what)
			})
			if s.Snapshot() != nil {
				t.Error("it is served from")
			}
			api(t, c, "STREAM.DELETE.KV_usher", nil)
			loaded(t, s)
		})
	}
}

// A missing bucket is created only if that is configured. Otherwise the store waits for
// it.
func TestNoBucket(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	var log callouttest.Buffer
	s := start(t, kv.Config{Conn: c, Log: slog.New(slog.NewTextHandler(&log, nil))})
	callouttest.Eventually(t, "the error is logged", func() bool { return strings.Contains(log.String(), kv.ErrNoBucket.Error()) })
	if s.Snapshot() != nil {
		t.Error("it is served from")
	}
	loaded(t, start(t, kv.Config{Conn: c, Create: true}))
	loaded(t, s)
	last := ""
	for line := range strings.Lines(log.String()) {
		_, fault, _ := strings.Cut(line, "level=ERROR")
		if fault != "" && fault == last {
			t.Errorf("logged again: %s", fault)
		}
		last = fault
	}
}

// When delete markers expire, the last sequence of the bucket is no message any more. The
// bucket can still be changed.
func TestExpiredMarker(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	stop := run(t, open(t, kv.Config{Conn: c, Create: true}))
	callouttest.Eventually(t, "the bucket is created", func() bool {
		m, err := c.Request("$JS.API.STREAM.INFO.KV_usher", nil, 10*time.Second)
		return err == nil && !strings.Contains(string(m.Data), `"error"`)
	})
	stop()
	write(t, c, "user."+steadyID(0), "", "KV-Operation", "DEL")
	write(t, c, "user."+steadyID(1), "", "KV-Operation", "DEL", "Nats-TTL", "1s")
	callouttest.Eventually(t, "the marker has expired", func() bool {
		state := api(t, c, "STREAM.INFO.KV_usher", nil)["state"].(map[string]any)
		return state["messages"].(float64) == 1 && state["last_seq"].(float64) == 2
	})
	a, b := loaded(t, start(t, kv.Config{Conn: c})), loaded(t, start(t, kv.Config{Conn: c}))
	for _, s := range []*kv.Store{a, b} {
		if got := s.Status().Revision; got != 2 {
			t.Errorf("revision %d", got)
		}
	}
	add(t, a, "ada")
	callouttest.Eventually(t, "both replicas have the user", func() bool { return has(a.Snapshot(), "ada") && has(b.Snapshot(), "ada") })
}

func steadyID(i int) string { return member(steady(i))[0].Key.User.String() }

// A server without room for a bucket is told apart, with what to do.
func TestNoRoomForBucket(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	n.stop()
	n.opts.JetStreamMaxStore = 1 << 20
	n.start(t)
	var log callouttest.Buffer
	s := start(t, kv.Config{Conn: connect(t, n.url()), Create: true, MaxBytes: 2 << 20, Storage: kv.StorageFile, Log: slog.New(slog.NewTextHandler(&log, nil))})
	callouttest.Eventually(t, "it says what to do", func() bool { return strings.Contains(log.String(), "lower directory.max_bytes") })
	if s.Snapshot() != nil {
		t.Error("a directory is loaded")
	}
}
