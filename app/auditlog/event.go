package auditlog

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	"usher/internal/audit/chain"
)

// KindDecision is the kind of the lines that name none.
const KindDecision = "decision"

// Event is one line of the audit. Text is the line as it was written.
type Event struct {
	Kind       string    `json:"kind"`
	Time       time.Time `json:"time"`
	RequestID  string    `json:"request_id"`
	Outcome    string    `json:"outcome"`
	Code       string    `json:"code"`
	Cause      string    `json:"cause"`
	Hint       string    `json:"hint"`
	User       string    `json:"user"`
	Actor      string    `json:"actor"`
	IdentityID string    `json:"identity_id"`
	Authority  string    `json:"authority"`
	Rule       string    `json:"rule"`
	Method     string    `json:"method"`
	KeyID      string    `json:"key_id"`
	Account    string    `json:"account"`
	Expires    time.Time `json:"expires"`
	ClientHost string    `json:"client_host"`
	ClientName string    `json:"client_name"`
	ServerName string    `json:"server_name"`
	GrantedBy  string    `json:"granted_by"`
	Action     string    `json:"action"`
	Resource   string    `json:"resource"`
	Reason     string    `json:"reason"`
	Revision   uint64    `json:"revision"` // of the directory that has the change

	DirectoryRevision uint64 `json:"directory_revision"` // of the directory that decided; 0: not known

	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`

	Text []byte      `json:"-"`
	At   chain.Place `json:"-"`
}

// Parse reads one line. ok is false for a line that is no event.
func Parse(line []byte, at chain.Place) (e *Event, ok bool) {
	e = &Event{}
	if err := json.Unmarshal(line, e); err != nil || e.Time.IsZero() {
		return nil, false
	}
	e.Kind = cmp.Or(e.Kind, KindDecision)
	e.Text, e.At = line, at
	return e, true
}

// Filter selects events. Empty fields select every event.
type Filter struct {
	User      string // of the connection, or who asked for a change
	Code      string
	Outcome   string
	RequestID string // of the event, or of the decision that granted the session
	From      netip.Prefix
	Kinds     []string // empty: all but checkpoints
	Since     time.Time
	Until     time.Time
}

// Match reports whether the filter selects e.
func (f *Filter) Match(e *Event) bool {
	switch {
	case f.User != "" && f.User != e.User && f.User != e.Actor,
		f.Code != "" && f.Code != e.Code,
		f.Outcome != "" && f.Outcome != e.Outcome,
		f.RequestID != "" && f.RequestID != e.RequestID && f.RequestID != e.GrantedBy,
		!f.Since.IsZero() && e.Time.Before(f.Since),
		!f.Until.IsZero() && e.Time.After(f.Until),
		f.From.IsValid() && !f.from(e.ClientHost):
		return false
	}
	if len(f.Kinds) == 0 {
		return e.Kind != chain.KindCheckpoint
	}
	for _, kind := range f.Kinds {
		if kind == e.Kind {
			return true
		}
	}
	return false
}

func (f *Filter) from(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && f.From.Contains(addr.Unmap())
}

// Kinds returns the kinds of events.
func Kinds() []string {
	return []string{KindDecision, "change", "session_closed", "refused_by_server", "push", chain.KindCheckpoint}
}
