package refusals

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/internal/audit"
)

const reasonMissing = `No valid account "NOWHERE" for auth callout response on account "AUTH": account missing`

func message(id session.ID, name, reason string) []byte {
	text, _ := json.Marshal(map[string]any{"server": map[string]any{"id": id.Server}, "client": map[string]any{"id": id.Client, "name": name}, "reason": reason})
	return text
}

// clocked is a Refusals whose clock the test moves.
type clocked struct {
	*Refusals
	now    time.Time
	events []audit.RefusedByServer
	lines  strings.Builder
}

func newClocked() *clocked {
	c := &clocked{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	registry := sessions.New(sessions.Observer{Removed: func(s *session.Session, _ sessions.Ending) { c.Removed(s) }})
	c.Refusals = New(Config{
		Registry: registry, Instance: "me", Log: slog.New(slog.NewTextHandler(&c.lines, nil)), Now: func() time.Time { return c.now },
		Audit: func(e audit.RefusedByServer) { c.events = append(c.events, e) },
	})
	return c
}

func (c *clocked) grant(client uint64, instance string) session.ID {
	s := &session.Session{ID: session.ID{Server: "N1", Client: client}, RequestID: "r", Started: c.now, Instance: instance}
	s.Identity.Name, s.Grant.Account = "alice", "NOWHERE"
	c.cfg.Registry.Add(s)
	c.Granted(s)
	return s.ID
}

// The event and the grant come in either order, and the registry may have removed the
// session in between. Each refusal is told once.
func TestOrders(t *testing.T) {
	c := newClocked()
	id := session.ID{Server: "N1", Client: 7}
	c.Event(message(id, "", reasonMissing))
	c.grant(7, "me")
	c.Event(message(id, "", reasonMissing))

	c.Event(message(c.grant(8, "me"), "", reasonMissing))

	id = c.grant(9, "me")
	c.cfg.Registry.Remove(id, sessions.Disconnected)
	c.Event(message(id, "", ""))

	c.Event(message(c.grant(10, "other"), "", reasonMissing)) // its replica tells
	c.Event(message(c.grant(11, "me"), `"reason":"`+denied, denied+": denied, request x"))
	c.Event([]byte("no event"))
	id = c.grant(12, "me")
	c.now = c.now.Add(recently)
	c.Event(message(id, "", "")) // an accepted connection that is asked again
	if len(c.events) != 3 || c.events[0].Code != string(AccountMissing) || c.events[2].Code != string(Late) || c.cfg.Registry.Len() != 3 {
		t.Errorf("%d sessions, %+v", c.cfg.Registry.Len(), c.events)
	}
	if last := c.Last(); len(last) != 2 || last[0].Class != string(Late) || last[1].Count != 2 || last[1].Reason != reasonMissing {
		t.Errorf("%+v", last)
	}
	if n := strings.Count(c.lines.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want one for each class:\n%s", n, c.lines.String())
	}
	c.now = c.now.Add(joinWait)
	if c.expire(); len(c.joins) != 0 {
		t.Errorf("%d are kept", len(c.joins))
	}
}

// A server that says nothing in the callout account: the refusal has no reason.
func TestNotSaid(t *testing.T) {
	c := newClocked()
	id := c.grant(7, "me")
	c.cfg.Registry.Remove(id, sessions.Disconnected)
	c.RefusedAt(id)
	if c.expire(); len(c.events) != 0 {
		t.Fatal("told before the reason can be there")
	}
	c.now = c.now.Add(joinWait)
	if c.expire(); len(c.events) != 1 || c.events[0].Code != string(NotSaid) {
		t.Errorf("%+v", c.events)
	}
}

// Memory is bounded, whatever servers say.
func TestBounds(t *testing.T) {
	c := newClocked()
	for i := range uint64(2 * maxJoins) {
		c.Event(message(session.ID{Server: "N1", Client: i + 1}, "", reasonMissing))
	}
	if len(c.joins) != maxJoins {
		t.Errorf("%d are kept", len(c.joins))
	}
	c = newClocked()
	for i := range uint64(3 * maxLast) {
		c.Event(message(c.grant(i+1, "me"), "", fmt.Sprint(reasonMissing, strings.Repeat("x", maxRead))))
	}
	last := c.Last()
	if len(c.last) != maxLast || len(last) != 1 || last[0].Count != maxLast || len(last[0].Reason) > maxShown+3 {
		t.Errorf("%d, %+v", len(c.last), last)
	}
}

// The reasons of nat-server 2.15.2, as measured or read.
func TestClasses(t *testing.T) {
	for reason, want := range map[string]Class{
		reasonMissing: AccountMissing,
		"":            Late,
		"Could not register auth callout user: maximum account active connections exceeded":     ConnectionLimit,
		`Authorized user on account "AUTH" not allowed to use connection type`:                  ConnectionType,
		"Error validating user JWT: claim is expired":                                           Clock,
		`Authorized user on account "AUTH" outside of valid connect times`:                      Clock,
		`User JWT issuer "A" is not known`:                                                      Key,
		"Auth callout violation: auth callout signing key is unknown":                           Key,
		`Account "A" not permitted as valid account option for auth callout for account "AUTH"`: AccountRefused,
		"User JWT is not valid: permissions":                                                    InvalidJWT,
		"Something new":                                                                         Other,
	} {
		if got := classOf(reason); got.name != want || got.hint == "" {
			t.Errorf("%q is %s, want %s", reason, got.name, want)
		}
	}
}

// Whatever arrives: nothing that looks like a secret is kept, and nothing that moves a
// terminal's cursor.
func FuzzDecode(f *testing.F) {
	const seed = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"
	whole := regexp.MustCompile(`(^|[^A-Z2-7])` + seed + `($|[^A-Z2-7])`) // a part of longer base32 is no seed
	f.Add([]byte(`{"server":{"id":"N1"},"client":{"id":7,"jwt":"x"},"reason":"No valid account"}`))
	f.Add([]byte(`{"server":{"id":"N1"},"client":{"id":7},"reason":"Auth callout service returned an error: denied"}`))
	f.Add([]byte("{\"server\":{\"id\":\"N1\"},\"client\":{\"id\":18446744073709551615},\"reason\":\"a\\u001b[2J\\n" + seed + "\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, reason, ok := decode(data)
		if !ok {
			return
		}
		if id.Server == "" || id.Client == 0 || len(reason) > maxShown+3 || strings.HasPrefix(reason, denied) || strings.ContainsAny(reason, "\x1b\n\r") || whole.MatchString(reason) {
			t.Errorf("%v %q", id, reason)
		}
	})
}
