package audit

import (
	"log/slog"
	"time"
)

// RefusedByServer is one connection that usher has granted and its server did not let in.
// Empty fields are left out of the line.
type RefusedByServer struct {
	Time      time.Time
	RequestID string // of the decision that granted it
	Code      string // kind of reason
	Cause     string // what the server says
	Hint      string

	User       string
	Authority  string
	IdentityID string
	Method     string
	KeyID      string
	Account    string
	ClientHost string
	ClientID   uint64
	ServerID   string
	ServerName string
}

// WriteRefusedByServer queues one refusal, as Write does.
func (l *Log) WriteRefusedByServer(e RefusedByServer) { l.put(&e) } //nolint:gocritic // the caller gives the event away

// record adds the time as an attribute, as Change.record does.
func (e *RefusedByServer) record() slog.Record {
	line := attrs{slog.String("kind", "refused_by_server"), slog.Time("time", e.Time)}
	line.text("request_id", e.RequestID)
	line.text("code", e.Code)
	line.text("cause", e.Cause)
	line.text("hint", e.Hint)
	line.text("user", e.User)
	line.text("authority", e.Authority)
	line.text("identity_id", e.IdentityID)
	line.text("method", e.Method)
	line.text("key_id", e.KeyID)
	line.text("account", e.Account)
	line.text("client_host", e.ClientHost)
	if e.ClientID != 0 {
		line = append(line, slog.Uint64("client_id", e.ClientID))
	}
	line.text("server_id", e.ServerID)
	line.text("server_name", e.ServerName)
	r := slog.NewRecord(time.Time{}, slog.LevelWarn, "refused_by_server", 0)
	r.AddAttrs(line...)
	return r
}
