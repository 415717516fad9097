package kv_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/directory/kv"
)

// Messages written by hand that announce more messages of their change do not stop
// replicas from following or loading.
//
// Attack: a message in the bucket announces more messages of its change, which never arrive
// Held by: only an atomic batch of the server can make a replica wait for the rest of a change
func TestForgedBatch(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(i int) string{
		"of no change":     func(int) string { return "" },
		"of one change":    func(int) string { return "forged" },
		"of a change each": func(i int) string { return "forged" + strconv.Itoa(i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := jetStream(t)
			s := loaded(t, start(t, kv.Config{Conn: c, Create: true}))
			forge := func(i int) {
				m := nats.NewMsg("$KV.usher.forged")
				m.Header.Set("Usher-Left", "999")
				m.Header.Set("Usher-Change", change(i))
				_ = c.PublishMsg(m)
			}
			ctx, stop := context.WithCancel(t.Context())
			var forging sync.WaitGroup
			forging.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for i := 0; ctx.Err() == nil; i++ {
					forge(i)
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
				}
			})
			callouttest.Eventually(t, "the messages arrive", func() bool { return len(s.Status().Faults) > 0 })
			_, ada := user("ada")
			callouttest.Eventually(t, "the user is added", func() bool {
				_, err := s.Change(t.Context(), ada)
				if errors.Is(err, kv.ErrUnavailable) {
					return false // a reply was late, and the message that shows the outcome was overwritten
				}
				callouttest.Must(t, err)
				return true
			})
			stop()
			forging.Wait()
			forge(-1)
			if !has(loaded(t, start(t, kv.Config{Conn: c})).Snapshot(), "ada") {
				t.Error("not all is there")
			}
		})
	}
}

// The server stores the headers that distinguish a batch from forged messages.
func TestBatchHeaders(t *testing.T) {
	t.Parallel()
	c := jetStream(t)
	s := loaded(t, start(t, kv.Config{Conn: c, Create: true}))
	_, f := user("ada")
	change(t, s, f)
	for seq, want := range map[int]string{1: "\r\nUsher-Left: 1\r\n", 2: "\r\nNats-Batch-Commit: 1\r\n"} {
		said := api(t, c, "STREAM.MSG.GET.KV_usher", map[string]any{"seq": seq})
		header, err := base64.StdEncoding.DecodeString(said["message"].(map[string]any)["hdrs"].(string))
		callouttest.Must(t, err)
		if !strings.Contains(string(header), want) || !strings.Contains(string(header), "\r\nNats-Batch-Id: ") {
			t.Errorf("message %d: %q", seq, header)
		}
	}
}
