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

// secretPart is the length from which a part of a secret is a leak.
const secretPart = 8

// tokensOfAllKinds returns one token of each kind: usher API keys and opaque tokens,
// valid, expired and unknown. None contains a word that a log can contain otherwise.
func tokensOfAllKinds(t *testing.T) (granted, denied []string, directory string) {
	t.Helper()
	apiKey := func() string {
		key, err := apikey.New(rand.Reader)
		callouttest.Must(t, err)
		return key
	}
	opaque := func() string {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		return hex.EncodeToString(raw)
	}
	granted = []string{apiKey(), opaque()}
	expired := apiKey()
	mistyped := []byte(apiKey())
	mistyped[10] = map[bool]byte{true: 'B', false: 'A'}[mistyped[10] == 'A']
	denied = []string{expired, apiKey(), opaque(), string(mistyped), apiKey()[:30], health.Prefix + opaque()}
	directory = fmt.Sprintf(`
users:
  - name: publisher
    keys: [{digest: KEY(%s)}, {digest: KEY(%s), id: laptop}, {digest: KEY(%s), expires: 2020-01-01T00:00:00Z}]
projects:
  - name: shop
    account: APP
    members: [{user: publisher, roles: [publisher]}]
    topics: [{name: orders, acl: [publisher]}]
`, granted[0], granted[1], expired)
	return granted, denied, callouttest.WithDigests(directory)
}

// Attack: somebody reads tokens or passwords of clients in log, audit, metrics or answers
// Held by: usher writes no secret of a client, and no part of one
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
		if want := len(denied)*attemptsPerToken + len(granted); refusals != want { // the MQTT client id is not that of the user
			t.Fatalf("%d connections were refused, want %d", refusals, want)
		}
		var events []callouttest.Event
		callouttest.Eventually(t, "all requests are in the audit", func() bool {
			events = s.service.Events(t)
			return len(events) == attemptsPerToken*(len(granted)+len(denied))
		})
		ids := map[string]bool{}
		for _, e := range events {
			if e.Text("outcome") == "denied" {
				ids[e.Text("request_id")] = true
			}
		}

		// The server's event contains the text of the answer.
		text := regexp.MustCompile(`^Auth callout service returned an error: denied, request (\S+)$`)
		texts := map[string]string{
			"audit": s.service.AuditText(), "log": s.service.Log.String(), "metrics": metricsText(t, s.service),
		}
		for range refusals {
			reason := nextReason(t, accountEvents)
			m := text.FindStringSubmatch(reason)
			if m == nil || !ids[m[1]] {
				t.Errorf("answer %q is not a denial in the audit", reason)
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
					t.Errorf("%s contains %q of a token:\n%s", name, part, text)
				}
			}
		}
	})
}

// attemptsPerToken is how many connections presentEverywhere makes.
const attemptsPerToken = 8

// presentEverywhere presents a token in every field and over every transport, and
// returns how many of the connections were refused.
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
	if waitMQTT(t, client.Connect()) != nil {
		return refused + 1
	}
	client.Disconnect(100)
	return refused
}

// leaked returns the first part of a token that text contains. The prefixes are not
// secret.
func leaked(text, token string) string {
	for _, p := range []string{apikey.Prefix, health.Prefix} {
		token = strings.TrimPrefix(token, p)
	}
	for i := range len(token) - secretPart + 1 {
		if part := token[i : i+secretPart]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

func TestLeakedFindsParts(t *testing.T) {
	if leaked("a log line with 89abcdef in it", "usher_0123456789abcdef") == "" {
		t.Error("a part of a token was not found")
	}
	if part := leaked("a log line about usher_ keys", "usher_0123456789abcdef"); part != "" {
		t.Errorf("%q is not a secret", part)
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

// nextReason returns the error text of the next event. The server writes the rest of
// the event. It contains the user name of the client, which can be the token (docs/explanation/security.md).
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
