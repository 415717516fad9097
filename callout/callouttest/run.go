package callouttest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/devserver"
)

// ConnectTimeout has a client wait longer for its server than nats.go would, which gives up
// after 2 s: a busy machine can be as slow.
func ConnectTimeout() nats.Option { return nats.Timeout(10 * time.Second) }

// RunServerConfig runs a nats-server in this process from the text of a configuration file,
// such as a leaf node, until the test ends.
func RunServerConfig(tb testing.TB, text string) *server.Server {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "nats-server.conf")
	Must(tb, os.WriteFile(file, []byte(text), 0o600))
	srv := runServer(tb, file, func(*server.Options) {})
	tb.Cleanup(func() { devserver.Shutdown(srv) })
	return srv
}

// RunServerFile runs a nats-server with a configuration file that has it listen on addr, until
// the test ends: a program of any version as a process of its own, or in this process if
// program is empty.
func RunServerFile(tb testing.TB, program, file, addr string) {
	tb.Helper()
	if program != "" {
		tb.Cleanup(startProcess(tb, program, file, addr).kill)
		return
	}
	srv := runServer(tb, file, func(*server.Options) {})
	tb.Cleanup(func() { devserver.Shutdown(srv) })
}

// runServer runs a nats-server in this process from a configuration file, with options
// that no file has, and waits until it takes connections.
func runServer(tb testing.TB, file string, set func(*server.Options)) *server.Server {
	tb.Helper()
	opts, err := server.ProcessConfigFile(file)
	Must(tb, err)
	opts.NoLog, opts.NoSigs = true, true
	devserver.SetFastShutdown(opts)
	set(opts)
	srv, err := server.NewServer(opts)
	Must(tb, err)
	if !opts.NoLog {
		srv.ConfigureLogger()
	}
	srv.Start()
	if !srv.ReadyForConnections(20 * time.Second) {
		tb.Fatal("nats-server did not become ready")
	}
	return srv
}
