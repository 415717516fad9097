package bench_test

import (
	"errors"
	"strings"
	"testing"

	"usher/app/bench"
	"usher/callout/callouttest"
)

// TestCheckGreeting: the first bytes of a server, and whether they match the URL.
func TestCheckGreeting(t *testing.T) {
	t.Parallel()
	const tls, none = "\x16\x03\x03", "none"
	for _, c := range []struct {
		sent   string
		kind   bench.Kind
		secure bool // the client has begun with TLS
		wanted bool // the client wants TLS
		want   string
	}{
		{"INFO {}\r\n", bench.TCP, false, false, none},
		{"IN", bench.TCP, false, false, none},
		{"INFO {}\r\n", bench.TCP, false, true, "protocol"},
		{"INFO {\"tls_required\":true}\r\n", bench.TCP, false, true, none},
		{"INFO {\"tls_available\":true}\r\n", bench.TCP, false, true, none},
		{"INFO {\"tls_requ", bench.TCP, false, true, none},
		{"INFO what\r\n", bench.TCP, false, true, none},
		{"-ERR 'maximum connections exceeded'\r\n", bench.TCP, false, true, none},
		{"SSH-2.0-x\r\n", bench.TCP, false, false, "protocol"},
		{"HTTP/1.1 400 Bad Request\r\n", bench.TCP, false, false, "protocol"},
		{"HTTP/1.1 101 Switching Protocols\r\n", bench.WebSocket, false, false, none},
		{"HTTP/1.1 101", bench.WebSocket, false, false, none},
		{"HTTP/1.1 400 Bad Request\r\n", bench.WebSocket, false, false, "protocol"},
		{"HTTP/1.0 200 OK\r\n", bench.WebSocket, false, false, "protocol"},
		{"HTTP/1.1 404 Not Found\r\n", bench.WebSocket, false, false, "protocol"},
		{"HTTP/1.1 403 Forbidden\r\n", bench.WebSocket, false, false, "other"},
		{"HTTP/1.1 503 Service Unavailable\r\n", bench.WebSocket, false, false, "other"},
		{"INFO {}\r\n-ERR 'Authorization Violation'\r\n", bench.WebSocket, false, false, "protocol"},
		{"-ERR 'Authorization Violation'\r\n", bench.WebSocket, false, false, "protocol"},
		{"INFO {}\r\n", bench.WebSocket, true, true, "protocol"},
		{"HTTP/1.1 400 Bad Request\r\n", bench.WebSocket, true, true, "protocol"},
		{"\x15\x03\x01", bench.WebSocket, true, true, none},
		{tls, bench.WebSocket, true, true, none},
		{tls, bench.WebSocket, false, false, "protocol"},
		{"", bench.TCP, false, false, none},
		{tls, bench.TCP, true, true, none},
		{"\x15\x03\x01", bench.TCP, true, true, none},
		{"INFO {}\r\n", bench.TCP, true, true, "protocol"},
	} {
		cause, ok := bench.CheckGreeting(c.sent, c.kind, c.secure, c.wanted)
		got := none
		if ok {
			got = cause.String()
		}
		if got != c.want {
			t.Errorf("%q, %s, secure %t, wanted %t: %s, not %s", c.sent, c.kind, c.secure, c.wanted, got, c.want)
		}
	}
}

// TestProtocol: URLs that do not match the port of a real server.
func TestProtocol(t *testing.T) {
	t.Parallel()
	plain := startUsher(t, callouttest.ServerConfig{})
	secure := startUsher(t, callouttest.ServerConfig{TLS: callouttest.NewCA(t)})
	port := func(url string) string { return url[strings.LastIndex(url, ":"):] }
	var urls []string
	for _, p := range []string{port(plain.URL()), port(secure.URL())} {
		urls = append(urls, "ws://127.0.0.1"+p, "wss://127.0.0.1"+p)
	}
	urls = append(urls, "tls://127.0.0.1"+port(plain.URL()), "wss://127.0.0.1"+port(plain.WebSocketURL()))
	parallel(urls, func(url string) {
		target := bench.Target{Servers: []string{url}, Tokens: []string{"publisher-key"}}
		// A client that writes early may find the connection reset; a busy machine may be too slow.
		accepted := func(failures map[bench.Cause]int64) int64 {
			return failures[bench.Protocol] + failures[bench.Reset] + failures[bench.Timeout]
		}
		r := connect(t.Context(), t, bench.ConnectConfig{Target: target, Connects: 5})
		if r.Connected != 0 || r.Failures[bench.Protocol] == 0 || accepted(r.Failures) != 5 || r.Errors[bench.Protocol] == "" {
			t.Errorf("%s: connect: %+v", url, r)
		}
		s := stormUntil(t, target, 3, 3)
		if s.Connected != 0 || s.Failures[bench.Protocol] == 0 || accepted(s.Failures) != s.FailedAttempts || s.Errors[bench.Protocol] == "" {
			t.Errorf("%s: storm: %+v", url, s)
		}
	})
}

// TestSilentServer: a server that sends nothing is distinguished from one that does not
// answer a credential.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	silent, _ := silentServer(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: callouttest.NewKeys(t), Timeout: 10})
	// A WebSocket server sends nothing before the client does.
	websocket := strings.Replace(srv.WebSocketURL(), "ws:", "nats:", 1)
	parallel([]string{silent, websocket, srv.URL()}, func(url string) {
		r := connect(t.Context(), t, bench.ConnectConfig{Target: bench.Target{Servers: []string{url}}, Connects: 3})
		if n := r.Failures[bench.Timeout]; n != 3 || (url == srv.URL()) != (r.Silent == 0) {
			t.Errorf("%s: %+v", url, r)
		}
	})
}

// TestErrors: the text of an error is kept, without the token.
func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"it says teapot, teapot":            "it says …, …",
		"nothing of note":                   "nothing of note",
		strings.Repeat("x", 250):            strings.Repeat("x", 200) + "…",
		strings.Repeat("x", 197) + "teapot": strings.Repeat("x", 197) + "…",
	} {
		if got := bench.SampleOf(errors.New(text), "teapot"); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	srv := startUsher(t, callouttest.ServerConfig{TLS: callouttest.NewCA(t)})
	r := connect(t.Context(), t, bench.ConnectConfig{Target: bench.Target{Servers: []string{srv.URL()}, RootCAs: callouttest.NewCA(t).ClientTLS().RootCAs}, Connects: 3})
	if r.Failures[bench.TLS] > 0 && !strings.Contains(r.Errors[bench.TLS], "x509") {
		t.Errorf("%+v", r)
	}
}
