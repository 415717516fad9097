package callouttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/devserver"
)

// ConnectTimeout sets the connect timeout of a client to 10 s. The default of nats.go,
// 2 s, is too short on a busy machine.
func ConnectTimeout() nats.Option { return nats.Timeout(10 * time.Second) }

// RunServerConfig runs a nats-server in process until the test ends, from the text of
// a configuration file.
func RunServerConfig(tb testing.TB, text string) *server.Server {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "nats-server.conf")
	Must(tb, os.WriteFile(file, []byte(text), 0o600))
	srv := runServer(tb, file, func(*server.Options) {})
	tb.Cleanup(func() { devserver.Shutdown(srv) })
	return srv
}

// RunServerFile runs a nats-server until the test ends, from a configuration file in
// which it listens on addr. program is the nats-server to run as a process, empty to
// run one in process.
func RunServerFile(tb testing.TB, program, file, addr string) {
	tb.Helper()
	if program != "" {
		RunServerProcess(tb, program, file, addr)
		return
	}
	srv := runServer(tb, file, func(*server.Options) {})
	tb.Cleanup(func() { devserver.Shutdown(srv) })
}

// RunServerProcess runs a nats-server as a process, from a configuration file in which it
// listens on addr. It ends with the test, or when it is killed.
func RunServerProcess(tb testing.TB, program, file, addr string) (kill func()) {
	tb.Helper()
	p := startProcess(tb, program, file, addr)
	tb.Cleanup(p.kill)
	return p.kill
}

// runServer runs a nats-server in process from a configuration file, and waits until
// it accepts connections. set sets options that a file cannot set.
//
// It tries again while an address is in use: a process that was forked while an earlier
// server on this port listened has a copy of its socket until it executes its program.
func runServer(tb testing.TB, file string, set func(*server.Options)) *server.Server {
	tb.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		srv, problem := tryServer(tb, file, set)
		if problem == "" {
			return srv
		}
		if !strings.Contains(problem, "address already in use") || time.Now().After(end) {
			tb.Fatalf("nats-server does not accept connections: %s", problem)
		}
		devserver.Shutdown(srv)
	}
}

func tryServer(tb testing.TB, file string, set func(*server.Options)) (srv *server.Server, problem string) {
	tb.Helper()
	opts, err := server.ProcessConfigFile(file)
	Must(tb, err)
	opts.NoLog, opts.NoSigs = true, true
	opts.DisableShortFirstPing = true // it ends slow handshakes, see ServerConfig.ShortFirstPing
	devserver.SetFastShutdown(opts)
	set(opts)
	srv, err = server.NewServer(opts)
	Must(tb, err)
	var fatal fatalLogger
	if opts.NoLog {
		srv.SetLogger(&fatal, false, false)
	} else {
		srv.ConfigureLogger()
	}
	srv.Start()
	timeout := 20 * time.Second
	if fatal.message.Load() != nil {
		timeout = 0
	}
	if srv.ReadyForConnections(timeout) {
		return srv, ""
	}
	if message := fatal.message.Load(); message != nil {
		return srv, *message
	}
	return srv, "timed out"
}

// fatalLogger keeps the first fatal message of a nats-server, which goes on after it.
type fatalLogger struct{ message atomic.Pointer[string] }

func (l *fatalLogger) Fatalf(format string, v ...any) {
	s := fmt.Sprintf(format, v...)
	l.message.CompareAndSwap(nil, &s)
}

func (*fatalLogger) Noticef(string, ...any) {}
func (*fatalLogger) Warnf(string, ...any)   {}
func (*fatalLogger) Errorf(string, ...any)  {}
func (*fatalLogger) Debugf(string, ...any)  {}
func (*fatalLogger) Tracef(string, ...any)  {}
