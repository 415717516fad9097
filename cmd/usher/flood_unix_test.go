//go:build unix

package main

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"usher/cmd/usher/cmdutil"
	"usher/internal/shellword"

	"golang.org/x/time/rate"

	"usher/app/setup"
	"usher/callout/callouttest"
)

// flood keeps connecting to an address, from several local addresses where possible, and
// keeps the connections open until the test ends. It returns how many were closed.
func flood(t *testing.T, address string) *atomic.Int64 {
	t.Helper()
	const holders, perSecond = 200, 1000
	ctx, stop := context.WithCancel(t.Context())
	var closed atomic.Int64
	var all sync.WaitGroup
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	pace := rate.NewLimiter(perSecond, 1)
	for i := range holders {
		var d net.Dialer
		if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is the machine itself
			d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i%40))}
		}
		all.Go(func() {
			for pace.Wait(ctx) == nil {
				conn, err := d.DialContext(ctx, "tcp", address)
				if err != nil {
					continue
				}
				end := context.AfterFunc(ctx, func() { _ = conn.Close() })
				_, _ = conn.Read(make([]byte, 1)) // until it is closed
				end()
				_ = conn.Close()
				closed.Add(1)
			}
		})
	}
	return &closed
}

// A flood of connections to http.listen with few open files neither disconnects usher
// from its servers nor stops its replies.
//
// Attack: a flood of connections to http.listen uses up the files that usher needs to reconnect to NATS
// Held by: every listener limits connections in total and per address, and file descriptors are reserved for NATS
func TestFloodLeavesFilesForNATS(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	server := in.NatsServer(t)
	p := start(t, "sh", "-c", "ulimit -n 128; exec usher serve -c "+shellword.Quote(in.Config()))
	in.waitReady(t, p)
	p.waitFor(t, "listeners accept fewer connections")

	closed := flood(t, strings.TrimPrefix(in.Web, "http://"))
	callouttest.Eventually(t, "the flood is more than is held", func() bool { return closed.Load() > 500 })
	server.Stop()
	p.waitFor(t, "cannot connect to NATS")
	in.NatsServer(t)
	callouttest.Eventually(t, "a client is let in", func() bool { return in.try(t) == cmdutil.ExitOK })
	if said := p.stderr.String(); strings.Contains(said, "too many open files") {
		t.Error("files have run out")
	}
	if p.ended() {
		t.Error("it has ended")
	}
}

// Configuration errors are reported before any listener starts.
func TestTooFewFiles(t *testing.T) {
	in := newInstallation(t)
	for _, command := range []string{"serve", "check --offline"} {
		p := start(t, "sh", "-c", fmt.Sprintf("ulimit -n 40; exec usher %s -c %s", command, shellword.Quote(in.Config())))
		if code := p.wait(t); code != cmdutil.ExitConfig {
			t.Errorf("%s: exit code %d", command, code)
		}
		p.waitFor(t, "the limit on open files is too low: it is 40; usher needs 58, of which NATS and files need 42")
		p.waitFor(t, "LimitNOFILE")
	}
	p := start(t, "sh", "-c", "ulimit -n 128; exec usher check --offline -c "+shellword.Quote(in.Config()))
	p.waitFor(t, "http.listen holds 21 connections, api.listen 64")
	if code := p.wait(t); code != cmdutil.ExitOK {
		t.Errorf("check: exit code %d", code)
	}
}
