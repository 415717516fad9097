package refusals

import (
	"bytes"
	"encoding/json"
	"strings"

	"usher/callout/session"
	"usher/internal/secret"
)

// Subject is where a server says in the callout account that it did not let in a connection
// that it asked usher about (nats-server, events.go: sendAccountAuthErrorEvent).
const Subject = "$SYS.ACCOUNT.CLIENT.AUTH.ERR"

// denied begins the reason for a connection that usher has denied. Most events are of these,
// so they are recognised without decoding. No other text of an event can look like it: quotes
// in a text are escaped.
const (
	denied     = "Auth callout service returned an error"
	deniedJSON = `"reason":"` + denied
)

// event is what a server says about a connection that it did not let in. It also has what
// the client has presented, which is nobody's business here.
type event struct {
	Server struct {
		ID string `json:"id"`
	} `json:"server"`
	Client struct {
		ID uint64 `json:"id"`
	} `json:"client"`
	Reason string `json:"reason"`
}

// decode returns the connection and the reason of an event. ok: usher has not denied it.
func decode(data []byte) (id session.ID, reason string, ok bool) {
	if bytes.Contains(data, []byte(deniedJSON)) {
		return session.ID{}, "", false
	}
	var e event
	if json.Unmarshal(data, &e) != nil || e.Server.ID == "" || e.Client.ID == 0 || strings.HasPrefix(e.Reason, denied) {
		return session.ID{}, "", false
	}
	return session.ID{Server: e.Server.ID, Client: e.Client.ID}, shown(e.Reason), true
}

// Lengths in bytes of a reason: that is read, and that is kept.
const (
	maxRead  = 4096
	maxShown = 240
)

// shown returns the reason as it may be kept and shown.
func shown(reason string) string {
	text := secret.RedactDetected(secret.Line(reason[:min(len(reason), maxRead)]))
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return text
}
