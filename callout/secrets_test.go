package callout_test

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/callout/callouttest"
	"usher/tokens/apikey"
	"usher/tokens/health"
)

// secretParts is how long a part of a secret may not turn up anywhere.
const secretParts = 8

// tokensOfAllKinds makes one token of each kind there is: usher's own form and
// opaque ones from elsewhere, known, expired and unknown. None holds a word
// that logs have for other reasons.
func tokensOfAllKinds(t *testing.T) (granted, denied []string, directory string) {
	t.Helper()
	own := func() string {
		key, err := apikey.New(rand.Reader)
		callouttest.Must(t, err)
		return key
	}
	opaque := func() string {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		return hex.EncodeToString(raw)
	}
	granted = []string{own(), opaque()}
	lapsed := own()
	mistyped := []byte(own())
	mistyped[10] = map[bool]byte{true: 'B', false: 'A'}[mistyped[10] == 'A']
	denied = []string{lapsed, own(), opaque(), string(mistyped), own()[:30], health.Prefix + opaque()}
	directory = fmt.Sprintf(`
users:
  - name: publisher
    keys: [{digest: KEY(%s)}, {digest: KEY(%s), id: laptop}, {digest: KEY(%s), expires: 2020-01-01T00:00:00Z}]
projects:
  - name: shop
    account: APP
    members: [{user: publisher, roles: [publisher]}]
    topics: [{name: orders, acl: [publisher]}]
`, granted[0], granted[1], lapsed)
	return granted, denied, callouttest.WithDigests(directory)
}

// Attack: reading tokens and passwords of clients in log, audit, metrics or answers
// Held by: nothing that a client presents as a secret is written anywhere, nor a part of it
func TestNoSecretAnywhere(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		granted, denied, directory := tokensOfAllKinds(t)
		s.service.SetDirectory(t, directory)
		serverEvents := authErrors(t, s, callouttest.SystemUser, "$SYS.SERVER.*.CLIENT.AUTH.ERR")
		accountEvents := authErrors(t, s, callouttest.ServiceUser, "$SYS.ACCOUNT.CLIENT.AUTH.ERR")

		refusals := 0
		for _, token := range append(granted, denied...) {
			refusals += s.presentEverywhere(t, token)
		}
		if want := len(denied)*ways + len(granted); refusals != want { // the MQTT client id is nobody's
			t.Fatalf("%d connections were refused, expected %d", refusals, want)
		}
		var events []callouttest.Event
		callouttest.Eventually(t, "all requests are in the audit", func() bool {
			events = s.service.Events(t)
			return len(events) == ways*(len(granted)+len(denied))
		})
		ids := map[string]bool{}
		for _, e := range events {
			if e.Text("outcome") == "denied" {
				ids[e.Text("request_id")] = true
			}
		}

		// What the answer said is in the server's event, word for word.
		text := regexp.MustCompile(`^Auth callout service returned an error: denied, request (\S+)$`)
		texts := map[string]string{
			"audit": s.service.AuditText(), "log": s.service.Log.String(), "metrics": metricsText(t, s.service),
		}
		for range refusals {
			reason := nextReason(t, accountEvents)
			m := text.FindStringSubmatch(reason)
			if m == nil || !ids[m[1]] {
				t.Errorf("the answer said %q, which is no denial of the audit", reason)
				continue
			}
			delete(ids, m[1])
			texts["account events"] += reason + "\n"
			texts["server events"] += nextReason(t, serverEvents) + "\n"
		}
		for name, text := range texts {
			if text == "" {
				t.Errorf("%s: empty", name)
			}
			for _, token := range append(granted, denied...) {
				if part := leaked(text, token); part != "" {
					t.Errorf("%s: holds %q of a token:\n%s", name, part, text)
				}
			}
		}
	})
}

// ways is how many connections presentEverywhere makes.
const ways = 8

// presentEverywhere presents a token in every way there is, and returns how many of
// the connections were refused.
func (s testEnv) presentEverywhere(t *testing.T, token string) (refused int) {
	t.Helper()
	host := s.server.Addr()
	for _, c := range []struct {
		url string
		opt nats.Option
	}{
		{s.server.URL(), nats.Token(token)},
		{s.server.URL(), nats.UserInfo("anybody", token)},
		{s.server.URL(), nats.UserInfo("project=shop", token)},
		{s.server.URL(), nats.UserInfo(token, "")},
		{"nats://" + url.UserPassword("anybody", token).String() + "@" + host, nil},
		{"nats://" + token + "@" + host, nil},
		{s.server.WebSocketURL(), nats.Token(token)},
	} {
		opts := []nats.Option{nats.Timeout(testTimeout)}
		if c.opt != nil {
			opts = append(opts, c.opt)
		}
		nc, err := nats.Connect(c.url, opts...)
		if err != nil {
			refused++
			continue
		}
		nc.Close()
	}
	client := s.mqttClient("m", "anybody", token)
	if done(t, client.Connect()) != nil {
		return refused + 1
	}
	client.Disconnect(100)
	return refused
}

// leaked returns the first part of a token that text holds. The prefixes are
// no secret.
func leaked(text, token string) string {
	for _, p := range []string{apikey.Prefix, health.Prefix} {
		token = strings.TrimPrefix(token, p)
	}
	for i := range len(token) - secretParts + 1 {
		if part := token[i : i+secretParts]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

func TestLeakedFindsParts(t *testing.T) {
	if leaked("a log line with 89abcdef in it", "usher_0123456789abcdef") == "" {
		t.Error("a part of a token went unseen")
	}
	if part := leaked("a log line about usher_ keys", "usher_0123456789abcdef"); part != "" {
		t.Errorf("%q is no secret", part)
	}
}

func authErrors(t *testing.T, s testEnv, user, subject string) *nats.Subscription {
	t.Helper()
	nc := s.server.Connect(t, user)
	sub, err := nc.SubscribeSync(subject)
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	return sub
}

// nextReason returns the error text of the next event. The rest of the event
// is the server's own: it names the user that the client gave, which for a user
// name alone is the token (docs/explanation/security.md).
func nextReason(t *testing.T, sub *nats.Subscription) string {
	t.Helper()
	m, err := sub.NextMsg(testTimeout)
	callouttest.Must(t, err)
	var event struct {
		Reason string    `json:"reason"`
		Time   time.Time `json:"timestamp"`
	}
	callouttest.Must(t, json.Unmarshal(m.Data, &event))
	return event.Reason
}

func metricsText(t *testing.T, s *callouttest.Service) string {
	t.Helper()
	families, err := s.Registry.Gather()
	callouttest.Must(t, err)
	var b strings.Builder
	for _, f := range families {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}
