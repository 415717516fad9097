package audit

import (
	"encoding/json"
	"log/slog"
	"time"

	"usher/internal/secret"
)

// Change is one change of the directory that somebody asked for, whatever became
// of it. Empty fields are left out of the line.
//
// Before and After are the resource without any secret: of a key its id and
// never its digest. They belong to the Log once they are handed over.
type Change struct {
	Time      time.Time // when it was asked for
	RequestID string
	Outcome   ChangeOutcome
	Code      string // why it was not done; empty: it was
	Cause     string // one line for people

	Actor      string // user that asked for it; empty: the command line
	ActorKeyID string
	ClientHost string

	Action   string          // such as "topic.modify_acl"
	Resource string          // such as "/projects/shop/topics/orders"
	Before   json.RawMessage // any JSON value; nil: there was nothing
	After    json.RawMessage // any JSON value; nil: there is nothing
	Revision uint64          // of the directory with the change in it; 0: there is none

	Total time.Duration
}

// ChangeOutcome is what became of a change.
type ChangeOutcome string

// The outcomes of a change.
const (
	Changed ChangeOutcome = "changed" // the directory holds it
	Refused ChangeOutcome = "refused" // definitely no: not allowed, or against a rule of the directory
	Failed  ChangeOutcome = "failed"  // allowed, and it could not be kept or nobody knows whether it was
)

// record gives the time as an attribute like the others: a handler would write
// it before the kind, which comes first.
func (c *Change) record() slog.Record {
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, "change", 0)
	r.AddAttrs(slog.String("kind", "change"), slog.Time("time", c.Time))
	text := func(key, value string) {
		if value != "" {
			r.AddAttrs(slog.String(key, secret.RedactDetected(value)))
		}
	}
	value := func(key string, v json.RawMessage) {
		if len(v) > 0 {
			// Names and strings of JSON hold their quotes, whatever is hidden in them.
			r.AddAttrs(slog.Any(key, json.RawMessage(secret.RedactDetected(string(v)))))
		}
	}
	text("request_id", c.RequestID)
	text("outcome", string(c.Outcome))
	text("code", c.Code)
	text("cause", c.Cause)
	text("actor", c.Actor)
	text("actor_key_id", c.ActorKeyID)
	text("client_host", c.ClientHost)
	text("action", c.Action)
	text("resource", c.Resource)
	value("before", c.Before)
	value("after", c.After)
	if c.Revision != 0 {
		r.AddAttrs(slog.Uint64("revision", c.Revision))
	}
	r.AddAttrs(slog.Group("duration_us", micros("total", c.Total)))
	return r
}
