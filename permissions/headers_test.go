package permissions_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/callout/callouttest"
	"usher/identity"
)

// published is the server's acknowledgement of a message.
type published struct {
	Seq       uint64 `json:"seq"`
	Duplicate bool   `json:"duplicate"`
	Value     string `json:"val"`
	Error     *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// Headers with effects (docs/explanation/isolation.md). pia may publish shop.orders and
// shop.market.prices; the server does not check the effects of headers on other subjects.
func TestHeaderEffects(t *testing.T) {
	pia, err := derive(t, newPolicy(), snapshotOf(t, testDirectory()), "pia", identity.Selection{})
	must(t, err)
	s := startServer(t, map[string]*server.Permissions{"free": nil, "pia": permissionsOf(&pia)})
	admin, js := connectAdmin(t, s)
	nc := connectAs(t, s, "pia")
	streams := 0
	stream := func(config jetstream.StreamConfig) jetstream.Stream {
		t.Helper()
		name := func() string { return fmt.Sprintf("shop-%d", streams) }
		_ = js.DeleteStream(t.Context(), name()) // of the previous subtest
		streams++                                // the server may still be removing the files of that one
		config.Name, config.Subjects = name(), []string{"shop.>"}
		st, err := js.CreateStream(t.Context(), config)
		must(t, err)
		return st
	}
	publish := func(headers ...string) published {
		t.Helper()
		m := nats.NewMsg("shop.orders")
		for i := 0; i < len(headers); i += 2 {
			m.Header.Set(headers[i], headers[i+1])
		}
		reply, err := nc.RequestMsg(m, timeout)
		must(t, err)
		var p published
		must(t, json.Unmarshal(reply.Data, &p))
		return p
	}
	refused := func(headers ...string) {
		t.Helper()
		if p := publish(headers...); p.Error == nil {
			t.Errorf("%q is accepted: %+v", headers, p)
		}
	}
	count := func(st jetstream.Stream) uint64 {
		t.Helper()
		info, err := st.Info(t.Context())
		must(t, err)
		return info.State.Msgs
	}
	publishOthers := func() {
		t.Helper()
		for range 3 {
			_, err := js.Publish(t.Context(), "shop.returns", []byte("of others"))
			must(t, err)
		}
	}
	soon := "@at " + time.Now().Add(time.Second).UTC().Format(time.RFC3339)

	t.Run("without options", func(t *testing.T) {
		st := stream(jetstream.StreamConfig{})
		publishOthers()
		refused("Nats-Rollup", "all")
		refused("Nats-Rollup", "sub")
		refused("Nats-TTL", "1s")
		refused("Nats-Incr", "1")
		refused("Nats-Schedule", soon, "Nats-Schedule-Target", "shop.returns")
		refused("Nats-Batch-Id", "b", "Nats-Batch-Sequence", "1")
		if n := count(st); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("Nats-Rollup", func(t *testing.T) {
		st := stream(jetstream.StreamConfig{AllowRollup: true})
		publishOthers()
		if p := publish("Nats-Rollup", "sub"); p.Error != nil || count(st) != 4 {
			t.Errorf("own subject: %+v, %d messages", p, count(st))
		}
		if p := publish("Nats-Rollup", "all"); p.Error != nil || count(st) != 1 {
			t.Errorf("all: %+v, %d messages", p, count(st))
		}
	})
	t.Run("Nats-Rollup with deny_purge", func(t *testing.T) {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "kept", Subjects: []string{"kept"}, AllowRollup: true, DenyPurge: true})
		if err == nil {
			t.Error("a stream with deny_purge allows rollups")
		}
	})
	t.Run("Nats-Schedule", func(t *testing.T) {
		st := stream(jetstream.StreamConfig{AllowMsgSchedules: true})
		if p := publish("Nats-Schedule", soon, "Nats-Schedule-Target", "shop.returns"); p.Error != nil {
			t.Errorf("%+v", p)
		}
		callouttest.Eventually(t, "the message is on the other topic", func() bool {
			_, err := st.GetLastMsgForSubject(t.Context(), "shop.returns")
			return err == nil
		})
		refused("Nats-Schedule", soon, "Nats-Schedule-Target", "lab.results") // outside the stream
	})
	t.Run("Nats-Msg-Id", func(t *testing.T) {
		st := stream(jetstream.StreamConfig{})
		publish("Nats-Msg-Id", "order-7")
		ack, err := js.Publish(t.Context(), "shop.returns", []byte("of another"), jetstream.WithMsgID("order-7"))
		if err != nil || !ack.Duplicate || count(st) != 1 {
			t.Errorf("%+v, %v", ack, err)
		}
	})
	t.Run("effects on the message itself", func(t *testing.T) {
		st := stream(jetstream.StreamConfig{AllowMsgTTL: true, AllowAtomicPublish: true})
		publishOthers()
		refused("Nats-Expected-Last-Sequence", "1")
		refused("Nats-Expected-Stream", "lab")
		refused("Nats-Expected-Last-Subject-Sequence", "9")
		expired := publish("Nats-TTL", "1s")
		if expired.Error != nil || expired.Seq == 0 {
			t.Errorf("%+v", expired)
		}
		if p := publish("Nats-Batch-Id", "b", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1"); p.Error != nil {
			t.Errorf("%+v", p)
		}
		callouttest.Eventually(t, "the message has expired", func() bool {
			_, err := st.GetMsg(t.Context(), expired.Seq)
			return errors.Is(err, jetstream.ErrMsgNotFound)
		})
		for seq := range uint64(3) {
			if _, err := st.GetMsg(t.Context(), seq+1); err != nil {
				t.Errorf("message %d: %v", seq+1, err)
			}
		}
	})
	t.Run("Nats-Incr", func(t *testing.T) {
		stream(jetstream.StreamConfig{AllowMsgCounter: true})
		if p := publish("Nats-Incr", "5"); p.Error != nil || p.Value != "5" {
			t.Errorf("%+v", p)
		}
	})
	t.Run("Nats-Trace-Dest", func(t *testing.T) {
		got, err := admin.SubscribeSync("*.>")
		must(t, err)
		must(t, admin.FlushTimeout(timeout))
		for _, dest := range []string{"lab.results", "shop.market.prices"} {
			m := nats.NewMsg("shop.orders")
			m.Header.Set("Nats-Trace-Dest", dest)
			must(t, nc.PublishMsg(m))
		}
		must(t, nc.FlushTimeout(timeout))
		for {
			m, err := got.NextMsg(timeout)
			must(t, err)
			if strings.HasPrefix(m.Subject, "lab.") {
				t.Errorf("a trace was sent to %s, where its publisher may not publish", m.Subject)
			}
			if m.Subject == "shop.market.prices" { // the second one, which is allowed
				break
			}
		}
	})
}
