package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/app/apptest"
	"usher/callout/callouttest"
	"usher/cmd/usher/bench"
	"usher/cmd/usher/cmdutil"
)

// benchServer starts a server with usher behind it.
func benchServer(t *testing.T) *callouttest.Server {
	t.Helper()
	keys := callouttest.NewKeys(t)
	// Clients give up before it does: it then says no only to those that usher denied.
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Timeout: 10})
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys),
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	return srv
}

// tokenFile writes lines to a file and returns its path.
func tokenFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	callouttest.Must(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	return path
}

// keysOf returns the names in a JSON object, including those of nested objects ("a.b").
func keysOf(t *testing.T, text string) []string {
	t.Helper()
	var object map[string]any
	callouttest.Must(t, json.Unmarshal([]byte(text), &object))
	var keys []string
	for k, v := range object {
		inner, ok := v.(map[string]any)
		if !ok {
			keys = append(keys, k)
		}
		for i := range inner {
			keys = append(keys, k+"."+i)
		}
	}
	slices.Sort(keys)
	return keys
}

// quietStderr returns stderr without the note that this machine is busy.
func quietStderr(stderr string) string {
	if strings.HasPrefix(stderr, "usher: note: the latest connect started ") {
		_, stderr, _ = strings.Cut(stderr, "\n")
	}
	return stderr
}

var timedOut = regexp.MustCompile(`\btimeout [1-9]|"timeout":[1-9]`)

// benched runs a load, and repeats it if this machine was too busy.
func benched(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for range apptest.Attempts {
		// A client that one server leaves waiting goes on to the next, and says what that does.
		next := slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, ", ") })
		code, stdout, stderr = usher(t, append([]string{"bench"}, args...)...)
		if !timedOut.MatchString(stdout) && (!next || !strings.Contains(stdout, "refused")) {
			break
		}
		t.Logf("again, since a client was not answered: %v\n%s%s", args, stdout, stderr)
	}
	return code, stdout, stderr
}

// TestBenchJSON: scripts rely on these fields.
func TestBenchJSON(t *testing.T) {
	t.Parallel()
	srv := benchServer(t)
	failures := []string{"authorization", "local_limit", "other", "protocol", "refused", "reset", "server_limit", "timeout", "tls"}
	fields := func(own []string, failures ...string) []string {
		for _, f := range failures {
			own = append(own, "failures."+f)
		}
		slices.Sort(own)
		return own
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{
			[]string{"storm", "--clients", "3"},
			fields([]string{
				"kind", "server", "spread_ms", "duration_ms", "clients", "connected", "closed_for_good", "interrupted", "elapsed_ms", "begin_lag_ms",
				"failed_attempts", "failed_attempts_per_client",
				"connected_ms.p50", "connected_ms.p90", "connected_ms.p99", "connected_ms.p100",
				"client_ms.p50", "client_ms.p90", "client_ms.p99", "client_ms.max",
			}, failures...),
		},
		{
			[]string{"connect", "--clients", "3"},
			fields([]string{
				"kind", "server", "duration_ms", "hold_ms", "rate", "achieved_rate", "attempts", "connected", "interrupted", "elapsed_ms", "begin_lag_ms",
				"connect_ms.p50", "connect_ms.p90", "connect_ms.p99", "connect_ms.p999", "connect_ms.max",
			}, append(failures, "max_in_flight")...),
		},
	} {
		code, stdout, stderr := benched(t, append(c.args, "-s", srv.URL(), "--token-file", tokenFile(t, "publisher-key"), "--json")...)
		if code != cmdutil.ExitOK || quietStderr(stderr) != "" || strings.Count(stdout, "\n") != 1 {
			t.Fatalf("%v: exit code %d\n%s%s", c.args, code, stdout, stderr)
		}
		if got := keysOf(t, stdout); !slices.Equal(got, c.want) {
			t.Errorf("%v: it has\n%v, not\n%v", c.args, got, c.want)
		}
		if !strings.HasPrefix(stdout, `{"kind":"tcp","server":"`+srv.URL()+`",`) || !strings.Contains(stdout, `"connected":3,`) || strings.Contains(stdout, "null") {
			t.Errorf("%v: %s", c.args, stdout)
		}
	}
}

// TestBench checks the exit codes and the text output.
func TestBench(t *testing.T) {
	t.Parallel()
	srv := benchServer(t)
	nobody := "nats://127.0.0.1:1"
	good, mixed := tokenFile(t, "publisher-key"), tokenFile(t, "publisher-key", "", "  nobody-key  ", "")
	for name, c := range map[string]struct {
		code int
		args []string
		says []string
	}{
		"storm":                  {cmdutil.ExitOK, []string{"storm", "--clients", "4", "-s", srv.URL(), "--token-file", good}, []string{"clients ", "4, tcp", "closed for good", "of all clients connected"}},
		"storm over websocket":   {cmdutil.ExitOK, []string{"storm", "--clients", "4", "-s", srv.WebSocketURL(), "--token-file", good}, []string{"4, websocket"}},
		"a kind makes the URL":   {cmdutil.ExitOK, []string{"storm", "--clients", "4", "--kind", "websocket", "-s", strings.TrimPrefix(srv.WebSocketURL(), "ws://"), "--token-file", good}, []string{"4, websocket"}},
		"nobody":                 {cmdutil.ExitRuntime, []string{"storm", "--clients", "4", "-s", nobody, "--duration", "2s"}, []string{"refused ", "not reached", "error: 4 of 4 did not connect", "hint: check that nats-server is running at this address"}},
		"connect":                {cmdutil.ExitOK, []string{"connect", "--clients", "4", "-s", srv.URL(), "--token-file", good}, []string{"4 in ", "of 100/s requested", "99.9%"}},
		"connect for a time":     {cmdutil.ExitOK, []string{"connect", "--duration", "50ms", "-s", srv.URL(), "--token-file", good}, []string{"5 in "}},
		"connect with user":      {cmdutil.ExitOK, []string{"connect", "--clients", "4", "-s", srv.URL(), "--token-file", good, "--user", "project=shop"}, nil},
		"connect as a stranger":  {cmdutil.ExitRuntime, []string{"connect", "--clients", "4", "-s", srv.URL()}, []string{"authorization 4", "hint: usher's log and audit give the cause"}},
		"tokens in turn":         {cmdutil.ExitRuntime, []string{"connect", "--clients", "4", "-s", srv.URL(), "--token-file", mixed}, []string{"authorization 2", "2 of 4 did not connect"}},
		"not for websocket":      {cmdutil.ExitRuntime, []string{"connect", "--clients", "2", "-s", strings.Replace(srv.URL(), "nats:", "ws:", 1), "--token-file", good}, []string{"protocol", "note: protocol, for example: the server speaks NATS, not WebSocket", "hint: check that this is a WebSocket port"}},
		"no TLS":                 {cmdutil.ExitRuntime, []string{"connect", "--clients", "2", "-s", strings.Replace(srv.URL(), "nats:", "tls:", 1), "--token-file", good}, []string{"protocol 2", "note: protocol, for example: nats: secure connection not available", "hint: check that this is the client port of nats-server"}},
		"several servers":        {cmdutil.ExitOK, []string{"connect", "--clients", "4", "-s", nobody + ", " + srv.URL(), "--token-file", good}, nil},
		"no more than in flight": {cmdutil.ExitOK, []string{"connect", "--clients", "2", "--hold", "1ms", "--max-in-flight", "2", "-s", srv.URL(), "--token-file", good}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := benched(t, c.args...)
			if code != c.code || (code == cmdutil.ExitOK) != (quietStderr(stderr) == "") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			for _, text := range c.says {
				if !strings.Contains(stdout+stderr, text) {
					t.Errorf("does not say %q:\n%s%s", text, stdout, stderr)
				}
			}
		})
	}
}

// TestBenchInterrupted: an interrupted run prints what it measured, and its exit code
// shows the interruption.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"storm", "connect"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		callouttest.Must(t, err)
		ctx, interrupt := context.WithCancel(t.Context())
		go func() { // it takes one connection, and never says a word
			if conn, err := l.Accept(); err == nil {
				defer conn.Close() //nolint:errcheck // the end of the test
			}
			interrupt()
		}()
		var stdout, stderr bytes.Buffer
		code := run(ctx, []string{"usher", "bench", verb, "--clients", "1", "--json", "-s", "nats://" + l.Addr().String()}, &stdout, &stderr)
		if code != cmdutil.ExitInterrupted || !strings.Contains(stdout.String(), `"interrupted":true`) || !strings.Contains(stderr.String(), "error: interrupted") {
			t.Errorf("%s: exit code %d\n%s%s", verb, code, stdout.String(), stderr.String())
		}
		interrupt()
		l.Close() //nolint:errcheck // the end of the test
	}
}

// TestBenchTokens: a token file has one token a line, with limits on size and line
// length.
func TestBenchTokens(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one":                                  "one",
		"one\n":                                "one",
		"\r\n one \r\n\r\ntwo\r\n":             "one two",
		"":                                     "error: --token-file -: the file contains no token",
		" \n\n":                                "error: --token-file -: the file contains no token",
		"one\n\n" + strings.Repeat("x", 1<<20): "error: --token-file -: line 3 is too long for a token",
	} {
		tokens, err := bench.ReadTokens(strings.NewReader(text), "-")
		got := strings.Join(tokens, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%.20q: %q, not %q", text, got, want)
		}
	}
}

// TestBenchProgress: the status line is rewritten, and cleared at the end.
func TestBenchProgress(t *testing.T) {
	t.Parallel()
	var out callouttest.Buffer
	stop := cmdutil.PrintProgress(&out, time.NewTicker(time.Millisecond), func() string { return "7 of 9" })
	callouttest.Eventually(t, "it is renewed", func() bool { return strings.Count(out.String(), "\r\x1b[K7 of 9") > 1 })
	stop()
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("at the end: %q", out.String())
	}
}
