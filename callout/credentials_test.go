package callout_test

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
)

func TestCredentials(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		for _, c := range []struct {
			name string
			url  string
			opts []nats.Option
			code string
		}{
			{"auth_token", s.server.URL(), []nats.Option{nats.Token("publisher-key")}, "granted"},
			{"token in the URL", "nats://publisher-key@" + s.server.Addr(), nil, "granted"},
			{"password with any user name", s.server.URL(), []nats.Option{nats.UserInfo("anybody", "publisher-key")}, "granted"},
			{"only a user name", s.server.URL(), []nats.Option{nats.UserInfo("publisher-key", "")}, "granted"},
			{"only a user name, over WebSocket", s.server.WebSocketURL(), []nats.Option{nats.UserInfo("publisher-key", "")}, "granted"},
			{"only over WebSocket", s.server.WebSocketURL(), []nats.Option{nats.Token("wsonly-key")}, "granted"},
			{"WebSocket", s.server.WebSocketURL(), []nats.Option{nats.Token("publisher-key")}, "granted"},
			{"project selected", s.server.URL(), []nats.Option{nats.UserInfo("project=far", "both-key")}, "granted"},
			{"account selected", s.server.URL(), []nats.Option{nats.UserInfo("account=APP", "both-key")}, "granted"},
			{"from an allowed network", s.server.URL(), []nats.Option{nats.Token("here-key")}, "granted"},
			{"unknown key", s.server.URL(), []nats.Option{nats.Token("unknown-key")}, "key_unknown"},
			{"unknown key in the URL", "nats://unknown-key@" + s.server.Addr(), nil, "key_unknown"},
			{"only an unknown user name", s.server.URL(), []nats.Option{nats.UserInfo("unknown-key", "")}, "key_unknown"},
			{"only the name of a user", s.server.URL(), []nats.Option{nats.UserInfo("publisher", "")}, "key_unknown"},
			{"unknown password", s.server.URL(), []nats.Option{nats.UserInfo("publisher", "unknown-key")}, "key_unknown"},
			{"unknown key over WebSocket", s.server.WebSocketURL(), []nats.Option{nats.Token("unknown-key")}, "key_unknown"},
			{"mistyped key", s.server.URL(), []nats.Option{nats.Token("usher_abc")}, "key_malformed"},
			{"no credential", s.server.URL(), nil, "no_credential"},
			{"expired", s.server.URL(), []nats.Option{nats.Token("late-key")}, "key_expired"},
			{"not yet valid", s.server.URL(), []nats.Option{nats.Token("early-key")}, "key_not_yet_valid"},
			{"key disabled", s.server.URL(), []nats.Option{nats.Token("off-key")}, "key_disabled"},
			{"user disabled", s.server.URL(), []nats.Option{nats.Token("former-key")}, "user_disabled"},
			{"other network", s.server.URL(), []nats.Option{nats.Token("elsewhere-key")}, "key_network"},
			{"no role", s.server.URL(), []nats.Option{nats.Token("stranger-key")}, "no_role"},
			{"two accounts", s.server.URL(), []nats.Option{nats.Token("both-key")}, "ambiguous_account"},
			{"not a member", s.server.URL(), []nats.Option{nats.UserInfo("project=lab", "both-key")}, "not_member"},
			{"no such project", s.server.URL(), []nats.Option{nats.UserInfo("project=*", "both-key")}, "not_member"},
			{"not in the account", s.server.URL(), []nats.Option{nats.UserInfo("account=AUTH", "both-key")}, "not_in_account"},
		} {
			t.Run(c.name, func(t *testing.T) {
				nc, err := nats.Connect(c.url, append(c.opts, nats.Name(t.Name()), nats.Timeout(testTimeout))...)
				if (err == nil) != (c.code == "granted") {
					t.Fatalf("connect: %v, want code %s", err, c.code)
				}
				if nc != nil {
					nc.Close()
				}
				e := s.service.WaitEvent(t, c.code)
				if e.Text("request_id") == "" {
					t.Errorf("event without a request id: %v", e)
				}
			})
		}
		if t.Failed() {
			t.Log(s.service.Log.String())
		}
	})
}

// A user whose connection types are limited is denied over other types.
func TestConnectionTypes(t *testing.T) {
	plainAndSealed(t, func(s testEnv) {
		t := s.t
		nc, err := nats.Connect(s.server.URL(), nats.Token("wsonly-key"), nats.Timeout(testTimeout), ignoreErrors())
		if err == nil {
			nc.Close()
			t.Error("a user limited to WebSocket connected over TCP")
		} else if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("connect: %v", err)
		}
		s.service.WaitEvent(t, callout.CodeConnectionType)
		nc, err = nats.Connect(s.server.WebSocketURL(), nats.Token("wsonly-key"), nats.Timeout(testTimeout), ignoreErrors())
		callouttest.Must(t, err)
		defer nc.Close()
		if !tryOperation(t, nc, publish, "shop.orders") || tryOperation(t, nc, publish, "shop.returns") {
			t.Error("the grant over WebSocket is not that of a publisher")
		}
	})
}
