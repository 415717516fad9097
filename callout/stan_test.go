package callout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// stanTimeout is the timeout of each streaming program.
const stanTimeout = 60 * time.Second

// stanResult is the result of one operation of the streaming client.
type stanResult struct {
	OK               bool     `json:"ok"`
	Error            string   `json:"error"`
	PermissionErrors []string `json:"permission_errors"`
}

// An older supervisor can publish over NATS Streaming with a token in the directory, and
// gets an acknowledgement. It can do nothing else.
func TestStreaming(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "stan.exe") // Windows requires the suffix
	if out, err := exec.CommandContext(t.Context(), "go", "-C", filepath.Join("..", "testdata", "stan"), "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s := newTestEnv(t, true)
	startStreaming(t, program, s.server)
	token := filepath.Join(t.TempDir(), "token")
	callouttest.Must(t, os.WriteFile(token, []byte("ingest-key\n"), 0o600))

	for name, c := range map[string]struct {
		op, channel string
		hold        string
		refused     string // part of the subject of every permission error; empty: no error
	}{
		"publish, and stay connected":                {op: "publish", channel: "habitat", hold: "4s"},
		"publish without waiting":                    {op: "publish-async", channel: "habitat"},
		"publish to another channel":                 {op: "publish", channel: "other", refused: `.other"`},
		"publish to another channel without waiting": {op: "publish-async", channel: "other", refused: `.other"`},
		"subscribe":                    {op: "subscribe", channel: "habitat", refused: `"_STAN.sub`},
		"subscribe to another channel": {op: "subscribe", channel: "other", refused: `"_STAN.sub`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hold := c.hold
			if hold == "" {
				hold = "0s"
			}
			id := strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' {
					return r
				}
				return -1
			}, name)
			r := runStreamingClient(t, program, "--nats-url", s.server.URL(), "--client-id", id, "--token-file", token,
				"--op", c.op, "--channel", c.channel, "--hold", hold, "--timeout", "6s")
			if c.refused == "" {
				if !r.OK || len(r.PermissionErrors) > 0 {
					t.Errorf("%+v\n%s", r, s.service.Log)
				}
				return
			}
			if r.OK || len(r.PermissionErrors) == 0 {
				t.Errorf("not refused: %+v", r)
			}
			for _, e := range r.PermissionErrors {
				if !strings.Contains(e, c.refused) {
					t.Errorf("permission error %s, want %s", e, c.refused)
				}
			}
		})
	}
}

// startStreaming starts the streaming server. It connects as a static user, without auth
// callout.
func startStreaming(t *testing.T, program string, srv *callouttest.Server) {
	t.Helper()
	url := strings.Replace(srv.URL(), "://", "://"+callouttest.AdminUser+":"+callouttest.Password+"@", 1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), stanTimeout)
	cmd := exec.CommandContext(ctx, program, "server", "--nats-url", url, "--heartbeat", "1s")
	var stdout, stderr callouttest.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	stdin, err := cmd.StdinPipe() // closing it stops the server
	callouttest.Must(t, err)
	callouttest.Must(t, cmd.Start())
	t.Cleanup(func() {
		defer cancel()
		if err := stdin.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("streaming server: %v\n%s", err, stderr.String())
		}
	})
	callouttest.Eventually(t, "the streaming server is ready", func() bool { return strings.Contains(stdout.String(), "ready\n") })
}

func runStreamingClient(t *testing.T, program string, args ...string) stanResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stanTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"client"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("streaming client: %v\n%s", err, stderr.String())
	}
	var r stanResult
	callouttest.Must(t, json.Unmarshal(out, &r))
	return r
}
