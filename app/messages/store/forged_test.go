package store_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
	"usher/callout/callouttest"
)

// Whoever may publish into another stream of the account can have its answer sent to any
// subject: nats-server checks no reply subjects. Such an answer is nobody's.
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	f := start(t)
	_, err := f.other.CreateStream(f.ctx(t), jetstream.StreamConfig{Name: "Q", Subjects: []string{"Q.t"}})
	must(t, err)
	conn := f.other.Conn()
	sub, err := conn.Subscribe("P.>", func(m *nats.Msg) { // sees the reply subjects of others
		if m.Reply == "" {
			return
		}
		for _, reply := range []string{m.Reply, m.Reply[:strings.LastIndex(m.Reply, ".")] + ".1"} {
			_ = conn.PublishRequest("Q.t", reply, nil)
		}
		_ = conn.Flush()
	})
	must(t, err)
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed after the test
	must(t, conn.Flush())
	for range 20 {
		ids, err := f.Publish(f.ctx(t), f.topic, make([]messages.Message, 50))
		if err != nil || len(ids) != 50 {
			t.Fatalf("%d ids, %v", len(ids), err)
		}
	}
	callouttest.Eventually(t, "answers were forged", func() bool {
		s, err := f.other.Stream(f.ctx(t), "Q")
		return err == nil && s.CachedInfo().State.Msgs > 100
	})
}
