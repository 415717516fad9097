package habitattest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// streamingTimeout is the timeout of each streaming program.
const streamingTimeout = 3 * time.Minute

// Streaming is NATS Streaming as a program, built from testdata/stan.
type Streaming struct{ program string }

// StreamingResult is the result of one operation of the streaming client.
type StreamingResult struct {
	OK               bool     `json:"ok"`
	Error            string   `json:"error"`
	PermissionErrors []string `json:"permission_errors"`

	// of operations that go on through failures: read and publish-many
	Count, Attempts, Reconnects, Denials, Opened int
}

// BuildStreaming builds the program. It is removed when the test ends.
func BuildStreaming(tb testing.TB) Streaming {
	tb.Helper()
	return Streaming{callouttest.BuildIn(tb, filepath.Join(callouttest.ModuleRoot(tb), "testdata", "stan"), "stan", ".")}
}

// StreamingProcess is a streaming program that runs until it is stopped.
type StreamingProcess struct {
	tb             testing.TB
	cmd            *exec.Cmd
	stdin          io.Closer
	stdout, stderr callouttest.Buffer
	lines          lineCounter // of stdout
	ended          bool
}

// lineCounter counts the lines that are written to it.
type lineCounter struct{ n atomic.Int64 }

func (c *lineCounter) Write(text []byte) (int, error) {
	c.n.Add(int64(bytes.Count(text, []byte("\n"))))
	return len(text), nil
}

// Server starts the streaming server, and waits until it is ready.
func (s Streaming) Server(tb testing.TB, args ...string) *StreamingProcess {
	tb.Helper()
	p := s.Start(tb, append([]string{"server"}, args...)...)
	callouttest.Eventually(tb, "the streaming server is ready", func() bool { return strings.Contains(p.stdout.String(), "ready\n") })
	return p
}

// Start starts the program. It stops when the test ends, or before with Stop or Kill.
func (s Streaming) Start(tb testing.TB, args ...string) *StreamingProcess {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), streamingTimeout)
	p := &StreamingProcess{tb: tb, cmd: exec.CommandContext(ctx, s.program, args...)}
	p.cmd.Stdout, p.cmd.Stderr = io.MultiWriter(&p.stdout, &p.lines), &p.stderr
	stdin, err := p.cmd.StdinPipe() // closing it stops the program
	callouttest.Must(tb, err)
	p.stdin = stdin
	callouttest.Must(tb, p.cmd.Start())
	tb.Cleanup(func() { p.Stop(); cancel() })
	return p
}

// Lines returns the complete lines that the program has printed so far.
func (p *StreamingProcess) Lines() []string {
	text := p.stdout.String()
	return strings.Split(text[:strings.LastIndex(text, "\n")+1], "\n")
}

// Printed returns how many lines the program has printed so far. Unlike Lines it copies none.
func (p *StreamingProcess) Printed() int { return int(p.lines.n.Load()) }

// Stop stops the program, and waits until it has ended.
func (p *StreamingProcess) Stop() {
	p.tb.Helper()
	if p.ended {
		return
	}
	p.ended = true
	if err := p.stdin.Close(); err != nil {
		p.tb.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.tb.Errorf("streaming program: %v\n%s", err, p.stderr.String())
	}
}

// Kill ends the program at once, with SIGKILL.
func (p *StreamingProcess) Kill() {
	p.tb.Helper()
	p.ended = true
	callouttest.Must(p.tb, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // it was killed
}

// Result stops a client that goes on through failures, and returns its result.
func (p *StreamingProcess) Result() StreamingResult {
	p.tb.Helper()
	p.Stop()
	lines := p.Lines()
	var r StreamingResult
	callouttest.Must(p.tb, json.Unmarshal([]byte(lines[max(0, len(lines)-2)]), &r))
	return r
}

// Client runs the streaming client to its end.
func (s Streaming) Client(tb testing.TB, args ...string) StreamingResult {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), streamingTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, append([]string{"client"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("streaming client: %v\n%s", err, stderr.String())
	}
	var r StreamingResult
	callouttest.Must(tb, json.Unmarshal(out, &r))
	return r
}
