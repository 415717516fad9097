package audit

import (
	"log/slog"
	"time"
)

// Push is one change in how the messages of a subscription reach their endpoint. Empty
// fields are left out of the line.
type Push struct {
	Time      time.Time
	Code      PushCode
	Cause     string // one line for people
	Resource  string // such as "/projects/shop/subscriptions/orders"
	Host      string // of the endpoint
	MessageID string // of a dead letter
	Attempts  int    // that failed
}

// PushCode is what has changed.
type PushCode string

// The changes.
const (
	PushFailing    PushCode = "failing"     // pushes of the subscription begin to fail
	PushRecovered  PushCode = "recovered"   // they succeed again
	PushDeadLetter PushCode = "dead_letter" // a message was given up
)

// WritePush queues one change, as Write does.
func (l *Log) WritePush(p Push) { l.put(&p) } //nolint:gocritic // the caller gives the event away

// record adds the time as an attribute, as Change.record does.
func (p *Push) record() slog.Record {
	line := attrs{slog.String("kind", "push"), slog.Time("time", p.Time)}
	line.text("code", string(p.Code))
	line.text("cause", p.Cause)
	line.text("resource", p.Resource)
	line.text("host", p.Host)
	line.text("message_id", p.MessageID)
	if p.Attempts != 0 {
		line = append(line, slog.Int("attempts", p.Attempts))
	}
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, "push", 0)
	r.AddAttrs(line...)
	return r
}
