package store_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// headers returns a message over NATS with as many headers as a stream takes.
func headers(subject string) *nats.Msg {
	m := nats.NewMsg(subject)
	for i := range 7000 {
		m.Header[strconv.FormatInt(int64(i)+10_000, 36)] = []string{"1"}
	}
	return m
}

// What is pulled takes no more memory than asked for, with its attributes, and all of it comes.
func TestPullManyHeaders(t *testing.T) {
	t.Parallel()
	f := start(t)
	const count, most = 6, 4 << 20
	m := headers("P.T")
	for range count {
		_, err := f.other.PublishMsg(f.ctx(t), m)
		must(t, err)
	}
	seen := map[string]bool{}
	for len(seen) < count {
		got, err := f.Pull(f.ctx(t), f.sub, 1000, most, timeout)
		must(t, err)
		size := int64(0)
		for _, m := range got {
			if size += m.MemorySize(); len(m.Attributes) != 7000 {
				t.Fatalf("%d attributes", len(m.Attributes))
			}
			seen[m.ID] = true
		}
		if size > most || len(got) == 0 {
			t.Fatalf("%d messages take %d bytes", len(got), size)
		}
		must(t, f.Acknowledge(f.ctx(t), f.sub, deliveries(got)))
	}
}

// However much a pull may return, JetStream is asked for a part of it at a time.
func TestPullAsksForParts(t *testing.T) {
	t.Parallel()
	f := start(t)
	watch := connect(t, f.server.ClientURL())
	asked, err := watch.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.>")
	must(t, err)
	must(t, watch.Flush())
	const count = 60
	texts := make([]string, count)
	for i := range texts {
		texts[i] = strings.Repeat("x", 50<<10)
		if i == count/2 {
			texts[i] = strings.Repeat("x", 900<<10)
		}
	}
	f.publish(t, texts...)
	for n := 0; n < count; {
		got, err := f.Pull(f.ctx(t), f.sub, count, 8<<20, timeout)
		must(t, err)
		if n += len(got); len(got) < 20 && n < count {
			t.Errorf("%d messages came at once", len(got))
		}
	}
	// What waits asks for little, and gets a large message nevertheless.
	f.publish(t, strings.Repeat("y", 900<<10))
	if got, err := f.Pull(f.ctx(t), f.sub, 1, 1<<20, timeout); err != nil || len(got) != 1 || len(got[0].Data) != 900<<10 {
		t.Errorf("got %d messages, %v", len(got), err)
	}
	must(t, f.conn.Flush())
	must(t, watch.Flush())
	for n, _, _ := asked.Pending(); n > 0; n-- {
		m, err := asked.NextMsg(timeout)
		must(t, err)
		var request struct {
			Batch   int    `json:"batch"`
			Bytes   int    `json:"max_bytes"`
			Expires uint64 `json:"expires"`
		}
		must(t, json.Unmarshal(m.Data, &request))
		switch {
		case request.Batch == 1 && request.Bytes == 0 && request.Expires == 0: // one of any size
		case request.Bytes == 0 || request.Bytes > 2<<20 || request.Expires > 0 && request.Bytes > 16<<10:
			t.Errorf("asked for %+v", request)
		}
	}
}

// Two messages of one size take exactly what is asked for after the first, which a server ends
// without a status.
func TestPullOfOneSize(t *testing.T) {
	t.Parallel()
	f := start(t)
	texts := slices.Repeat([]string{strings.Repeat("x", 300<<10)}, 24) // more than a project's window
	f.publish(t, texts...)
	got, err := f.Pull(f.ctx(t), f.sub, 1000, 16<<20, timeout)
	if must(t, err); len(got) != len(texts) {
		t.Errorf("%d of %d messages came at once", len(got), len(texts))
	}
}
