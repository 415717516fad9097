package natscontext_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/natscontext"
	"usher/callout/callouttest"
)

// environment is that of the tests: a folder with files, which $SITE and ~ name.
func environment(t *testing.T, files map[string]string) (dir string, env natscontext.Environment) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		callouttest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir, natscontext.Environment{Home: dir, Getenv: func(name string) string {
		return map[string]string{"SITE": dir}[name]
	}}
}

// read reads a context with this text.
func read(t *testing.T, files map[string]string, text string) (*natscontext.Context, error) {
	t.Helper()
	dir, env := environment(t, files)
	path := filepath.Join(dir, "context.json")
	callouttest.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return natscontext.Read(path, env)
}

// options returns what the options of a context make of a connection.
func options(x *natscontext.Context) (nats.Options, error) {
	var o nats.Options
	opts, err := x.Options()
	if err != nil {
		return o, err
	}
	for _, option := range opts {
		if err := option(&o); err != nil {
			return o, err
		}
	}
	return o, nil
}

// saved is a context as "nats context save" writes it: with all keys.
const saved = `{"description": "", "url": "nats://a:4222,nats://b:4222", "socks_proxy": "", "token": "", "user": "alice",
"password": "secret", "creds": "", "nkey": "", "cert": "", "key": "", "ca": "", "nsc": "", "jetstream_domain": "hub",
"jetstream_api_prefix": "", "jetstream_event_prefix": "", "inbox_prefix": "_INBOX_alice", "user_jwt": "", "color_scheme": "red",
"tls_first": true, "windows_cert_store": "", "windows_ca_certs_match": null}`

func TestRead(t *testing.T) {
	t.Parallel()
	x, err := read(t, nil, saved)
	callouttest.Must(t, err)
	o, err := options(x)
	callouttest.Must(t, err)
	if o.User != "alice" || o.Password != "secret" || o.InboxPrefix != "_INBOX_alice" || !o.TLSHandshakeFirst || x.Domain != "hub" {
		t.Errorf("%+v", x)
	}
	if x.Servers() != "nats://a:4222,nats://b:4222" {
		t.Error(x.Servers())
	}
}

// TestReferences: a secret can be in a file, whose path can have variables.
func TestReferences(t *testing.T) {
	t.Parallel()
	files := map[string]string{"key": "the key\n"}
	for _, value := range []string{"file://$SITE/key", "file://~/key", "file://${SITE}/key", "the key"} {
		x, err := read(t, files, `{"token": "`+value+`"}`)
		callouttest.Must(t, err)
		key, err := x.APIKey()
		if err != nil || key != "the key" {
			t.Errorf("%s: %q, %v", value, key, err)
		}
		if o, err := options(x); err != nil || o.Token != "the key" {
			t.Errorf("%s: %q, %v", value, o.Token, err)
		}
		if x.Servers() != nats.DefaultURL {
			t.Error(x.Servers())
		}
	}
	x, err := read(t, nil, `{"nkey": "some"}`)
	callouttest.Must(t, err)
	if _, err := x.APIKey(); !errors.Is(err, natscontext.ErrNoKey) {
		t.Error(err)
	}
}

// TestReadErrors: what usher would use differently than the nats CLI is refused, by name.
func TestReadErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`:                                     "expected one JSON object",
		`{"url": "a", "url": "b"}`:               "the same key twice",
		`{"url": 1}`:                             "url: expected a string",
		`{"tls_first": "yes"}`:                   "tls_first: expected true or false",
		`{"socks_proxy": "socks5://h"}`:          "socks_proxy: usher does not support",
		`{"nsc": "nsc://o/a/u"}`:                 "nsc: usher does not support",
		`{"windows_ca_certs_match": ["x"]}`:      "windows_ca_certs_match: usher does not support",
		`{"user": "a", "creds": "b"}`:            "user, creds: the nats CLI uses only one",
		`{"password": "secret"}`:                 "password: the nats CLI ignores it without user",
		`{"user_seed": "secret"}`:                "user_seed: the nats CLI ignores it",
		`{"cert": "a.pem"}`:                      "cert, key: the nats CLI ignores one",
		`{"token": "env://SECRET"}`:              "token: env: usher reads secrets",
		`{"creds": "nsc://o/a/u"}`:               "creds: nsc: usher reads secrets",
		`{"user": "a", "password": "op://v/p"}`:  "password: op: usher reads secrets",
		`{"creds": "$SITE/none"}`:                "creds: ",
		`{"ca": "$SITE/context.json"}`:           "ca: has no certificate",
		`{"token": "file://$SITE/none"}`:         "token: ",
		`{"user_jwt": "x", "user_seed": "op:x"}`: "user_seed: op: usher",
	} {
		x, err := read(t, nil, text)
		if err == nil {
			_, err = x.Options()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "context.json") || strings.Contains(err.Error(), "secret\"") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestMove: only paths below the folder that was moved change.
func TestMove(t *testing.T) {
	t.Parallel()
	dir, env := environment(t, map[string]string{
		"one.json": `{ "creds": "/old/site/service.creds","url":"/old/site/x", "mine": 1, "ca": "/old/site2/ca.pem", "token": "file:///old/site/a\\b" }`,
		"two.json": `{"creds": "service.creds"}`,
		"other":    `{"creds": "/old/site/service.creds"}`,
	})
	moved, err := natscontext.Move(dir, filepath.FromSlash("/old/site"), filepath.FromSlash("/new"))
	callouttest.Must(t, err)
	if len(moved) != 2 || moved[0].From != filepath.FromSlash("/old/site/service.creds") || moved[0].To != filepath.FromSlash("/new/service.creds") {
		t.Errorf("%+v", moved)
	}
	for name, want := range map[string]string{
		"one.json": `{ "creds": "/new/service.creds","url":"/old/site/x", "mine": 1, "ca": "/old/site2/ca.pem", "token": "file:///new/a\\b" }`,
		"two.json": `{"creds": "service.creds"}`, "other": `{"creds": "/old/site/service.creds"}`,
	} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
	if moved, err := natscontext.Move(dir, "", dir); err != nil || len(moved) > 0 {
		t.Errorf("%v %v", moved, err)
	}
	if _, err := natscontext.Read(filepath.Join(dir, "one.json"), env); !errors.Is(err, natscontext.ErrUnsupported) {
		t.Error(err)
	}
}
