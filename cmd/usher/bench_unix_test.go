//go:build unix

package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestBenchSignals: Ctrl-C and SIGTERM end a run early.
func TestBenchSignals(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		callouttest.Must(t, err)
		p := start(t, "usher", "bench", "storm", "--clients", "1", "-s", "nats://"+l.Addr().String())
		conn, err := l.Accept()
		callouttest.Must(t, err)
		p.signal(t, s)
		if code := p.wait(t); code != cmdutil.ExitInterrupted || !strings.Contains(p.stdout.String(), "failed attempts  ") {
			t.Errorf("%s: exit code %d\n%s%s", s, code, p.stdout.String(), p.stderr.String())
		}
		conn.Close() //nolint:errcheck // the end of the test
		l.Close()    //nolint:errcheck // the end of the test
	}
}

// TestBenchFiles: a load that exceeds the limit of open files does not start.
func TestBenchFiles(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"storm --clients 100":         "error: --clients 100: the limit of open files is 150, but 164 are needed",
		"connect --max-in-flight 100": "error: --max-in-flight 100: the limit of open files is 150, but 164 are needed",
		"connect --hold 1s":           "more than --max-in-flight, 86",
	} {
		p := start(t, "sh", "-c", "ulimit -n 150; exec usher bench "+args)
		if code := p.wait(t); code != cmdutil.ExitUsage || !strings.Contains(p.stderr.String(), want) || !strings.Contains(p.stderr.String(), "usher: hint: ") {
			t.Errorf("%s: exit code %d\n%s", args, code, p.stderr.String())
		}
	}
}
