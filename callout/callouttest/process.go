package callouttest

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is a nats-server that runs as a process.
type process struct {
	program string
	cmd     *exec.Cmd
	log     *Buffer
	exited  chan struct{}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails if it has exited already
	<-p.exited
}

// reload makes the server reload its configuration, and waits until it has.
func (p *process) reload(tb testing.TB) {
	tb.Helper()
	const reloaded = "Reloaded server configuration"
	before := strings.Count(p.log.String(), reloaded)
	signal := "reload=" + strconv.Itoa(p.cmd.Process.Pid)
	if out, err := exec.CommandContext(tb.Context(), p.program, "--signal", signal).CombinedOutput(); err != nil {
		tb.Fatalf("reload: %v\n%s", err, out)
	}
	Eventually(tb, "nats-server has reloaded its configuration", func() bool { return strings.Count(p.log.String(), reloaded) > before })
}

// startProcess starts a nats-server as a process, and waits until it accepts
// connections.
func startProcess(tb testing.TB, program, file, addr string) *process {
	tb.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), program, "-c", file)
	log := &Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	Must(tb, cmd.Start())
	p := &process{program: program, cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // fails if it was killed
	}()
	dialer := net.Dialer{Timeout: time.Second}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		c, err := dialer.DialContext(tb.Context(), "tcp", addr)
		if err == nil {
			_ = c.Close()
			return p
		}
		select {
		case <-p.exited:
			tb.Fatalf("nats-server exited:\n%s", log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.kill()
	tb.Fatalf("timed out waiting for nats-server to accept connections:\n%s", log.String())
	return nil
}
