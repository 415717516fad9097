//go:build unix

package systemd_test

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/app/systemd"
)

// listen returns what a process sends to systemd, one datagram each.
func listen(t *testing.T) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	got := make(chan string, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 4096)
		for {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			got <- string(b[:n])
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-ended
	})
	return got
}

// next returns the next datagram that begins with prefix, and those before it.
func next(t *testing.T, got <-chan string, prefix string) (text string, before []string) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case text := <-got:
			if strings.HasPrefix(text, prefix) {
				return text, before
			}
			before = append(before, text)
		case <-deadline:
			t.Fatalf("no %s arrived, only %q", prefix, before)
		}
	}
}

func has(texts []string, prefix string) bool {
	for _, text := range texts {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

// TestNotify: READY comes once the process is ready and not before, pings come as long as its
// check returns, a reload is told, and STOPPING is the last.
func TestNotify(t *testing.T) {
	got := listen(t)
	t.Setenv("WATCHDOG_USEC", "60000") // 60 ms
	var ready, hang atomic.Bool
	release := make(chan struct{})
	n := systemd.New(func() error {
		if hang.Load() {
			<-release
		}
		if !ready.Load() {
			return errors.New("no connection\nREADY=1")
		}
		return nil
	})
	stop, err := n.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, before := next(t, got, "STATUS=not ready")
	if text != "STATUS=not ready: no connection; READY=1" || has(before, "READY=1") {
		t.Errorf("before it is ready: %q after %q", text, before)
	}
	reloaded := false
	n.Reload(func() { reloaded = true })
	_, before = next(t, got, "WATCHDOG=1") // it lives before it is ready, too
	_, more := next(t, got, "WATCHDOG=1")
	if before = append(before, more...); has(before, "READY=1") || has(before, "RELOADING=1") || !reloaded {
		t.Errorf("a reload before it is ready: %q, %t", before, reloaded)
	}
	ready.Store(true)
	next(t, got, "READY=1")
	next(t, got, "STATUS=ready")
	n.Reload(func() { next(t, got, "RELOADING=1\nMONOTONIC_USEC=") })
	next(t, got, "READY=1")

	// A process that hangs does not ping: what arrives afterwards was sent before.
	next(t, got, "WATCHDOG=1")
	hang.Store(true)
	for pending := true; pending; {
		select {
		case <-got:
		case <-time.After(time.Second):
			pending = false
		}
	}
	hang.Store(false)
	close(release)
	next(t, got, "WATCHDOG=1")
	ready.Store(false)
	next(t, got, "STATUS=not ready")
	stop()
	next(t, got, "STOPPING=1")
	select {
	case text := <-got:
		t.Errorf("after STOPPING: %q", text)
	default:
	}
}

// TestElsewhere: nothing happens where systemd does not wait, and a socket that is gone is an
// error at once.
func TestElsewhere(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	n := systemd.New(func() error { return errors.New("never asked") })
	stop, err := n.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if _, err := systemd.New(nil).Start(t.Context()); err == nil {
		t.Error("a socket that is gone is no error")
	}
}
