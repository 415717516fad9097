package audit

import (
	"encoding/json"
	"log/slog"
	"time"

	"usher/internal/secret"
)

// Change is one requested change of the directory, or of live sessions, with its outcome.
// Empty fields are left out of the line.
//
// Before and After are the resource without secrets: a key has its id, never its
// digest. The caller must not modify them after WriteChange.
type Change struct {
	Time      time.Time // of the request
	RequestID string
	Outcome   ChangeOutcome
	Code      string // why it was refused or failed; empty: changed
	Cause     string // one line for people

	Actor      string // user who requested it; empty: the command line
	ActorKeyID string
	ClientHost string
	Reason     string // that the actor gave

	ActorCertificate string // subject of the certificate with which it was requested; empty: another credential
	ActorSerial      string // its serial number, hexadecimal

	Action   string          // such as "topic.modify_acl"
	Resource string          // such as "/projects/shop/topics/orders"
	Before   json.RawMessage // any JSON value; nil: the resource did not exist
	After    json.RawMessage // any JSON value; nil: the resource does not exist
	Revision uint64          // of the directory that has the change; 0: none

	Total time.Duration
}

// ChangeOutcome is the outcome of a change.
type ChangeOutcome string

// The outcomes of a change.
const (
	Changed ChangeOutcome = "changed" // committed
	Refused ChangeOutcome = "refused" // not allowed, or against a rule of the directory
	Failed  ChangeOutcome = "failed"  // allowed, but the commit failed or its result is unknown
)

// record adds the time as an attribute, because a slog handler would write the time of
// the record before the kind, which comes first.
func (c *Change) record() slog.Record {
	line := attrs{slog.String("kind", "change"), slog.Time("time", c.Time)}
	value := func(key string, v json.RawMessage) {
		if len(v) > 0 {
			// Redacting leaves the JSON valid: no secret contains a quote.
			line = append(line, slog.Any(key, json.RawMessage(secret.RedactDetected(string(v)))))
		}
	}
	line.text("request_id", c.RequestID)
	line.text("outcome", string(c.Outcome))
	line.text("code", c.Code)
	line.text("cause", c.Cause)
	line.text("actor", c.Actor)
	line.text("actor_key_id", c.ActorKeyID)
	line.text("client_host", c.ClientHost)
	line.text("reason", c.Reason)
	line.text("actor_certificate", c.ActorCertificate)
	line.text("actor_serial", c.ActorSerial)
	line.text("action", c.Action)
	line.text("resource", c.Resource)
	value("before", c.Before)
	value("after", c.After)
	if c.Revision != 0 {
		line = append(line, slog.Uint64("revision", c.Revision))
	}
	line = append(line, durations(micros("total", c.Total)))
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, "change", 0)
	r.AddAttrs(line...)
	return r
}
