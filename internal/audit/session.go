package audit

import (
	"log/slog"
	"time"
)

// SessionClosed is one session that usher has closed: its server has said that the
// connection is gone. Empty fields are left out of the line.
type SessionClosed struct {
	Time      time.Time
	RequestID string // of the API request that closed it; empty: usher did it by itself
	Code      ClosedCode
	Cause     string // one line for people: what it has lost, or which ban holds

	Actor      string // user who requested it; empty: usher by itself
	ActorKeyID string
	Reason     string // that the actor gave

	User       string // of the session
	Authority  string
	IdentityID string
	Method     string
	KeyID      string
	Account    string
	Started    time.Time
	GrantedBy  string // request id of the decision that granted it
	ClientHost string
	ClientID   uint64
	ServerID   string
	ServerName string
}

// ClosedCode is why usher has closed a session: one of these, "lost" or "gained" if its grant
// has become smaller or larger, "contested" if nobody knew which of two it had, or the code of why its credential is no longer good
// (docs/reference/errors.md).
type ClosedCode string

// The reasons for closing a session.
const (
	ClosedKicked    ClosedCode = "kicked"     // somebody asked for it
	ClosedOverLimit ClosedCode = "over_limit" // it made room for another one (sessions.limits)
)

// WriteSessionClosed queues one closed session, as Write does.
func (l *Log) WriteSessionClosed(c SessionClosed) { l.put(&c) } //nolint:gocritic // the caller gives the event away

// record adds the time as an attribute, as Change.record does.
func (c *SessionClosed) record() slog.Record {
	line := attrs{slog.String("kind", "session_closed"), slog.Time("time", c.Time)}
	line.text("request_id", c.RequestID)
	line.text("code", string(c.Code))
	line.text("cause", c.Cause)
	line.text("actor", c.Actor)
	line.text("actor_key_id", c.ActorKeyID)
	line.text("reason", c.Reason)
	line.text("user", c.User)
	line.text("authority", c.Authority)
	line.text("identity_id", c.IdentityID)
	line.text("method", c.Method)
	line.text("key_id", c.KeyID)
	line.text("account", c.Account)
	if !c.Started.IsZero() {
		line = append(line, slog.Time("started", c.Started))
	}
	line.text("granted_by", c.GrantedBy)
	line.text("client_host", c.ClientHost)
	if c.ClientID != 0 {
		line = append(line, slog.Uint64("client_id", c.ClientID))
	}
	line.text("server_id", c.ServerID)
	line.text("server_name", c.ServerName)
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, "session_closed", 0)
	r.AddAttrs(line...)
	return r
}
