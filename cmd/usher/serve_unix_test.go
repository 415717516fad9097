//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	callouttest.Must(t, p.cmd.Process.Signal(s))
}

// TestServeEnds: SIGTERM and Ctrl-C drain, and are no failure.
func TestServeEnds(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		in := newInstallation(t)
		in.NatsServer(t)
		p := in.serve(t)
		p.signal(t, s)
		if code := p.wait(t); code != cmdutil.ExitOK {
			t.Errorf("%s: exit code %d", s, code)
		}
		// Its connection attempts to a slow server may have failed before that.
		if _, text, said := strings.Cut(p.stderr.String(), "draining"); !said || strings.Contains(text, "level=ERROR") {
			t.Errorf("%s: it said\n%s", s, p.stderr.String())
		}
		// Another replica on this host may go on with it.
		if _, err := os.Stat(in.Path(setup.FileHealthToken)); err != nil {
			t.Errorf("%s: the health token: %v", s, err)
		}
	}
}

// TestServeNotifiesSystemd: READY comes once usher answers and not before, SIGHUP is told, and
// STOPPING when it drains.
func TestServeNotifiesSystemd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	callouttest.Must(t, err)
	defer conn.Close() //nolint:errcheck // a test's socket
	next := func(want, never string) {
		t.Helper()
		callouttest.Must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			callouttest.Must(t, err)
			switch text := string(b[:n]); {
			case strings.HasPrefix(text, want):
				return
			case never != "" && strings.HasPrefix(text, never):
				t.Fatalf("%s before %s", never, want)
			}
		}
	}
	in := newInstallation(t)
	p := start(t, "env", "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=30000000", "usher", "serve", "-c", in.Config())
	next("STATUS=not ready: ", "READY=1")
	next("WATCHDOG=1", "READY=1")
	in.NatsServer(t)
	next("READY=1", "STOPPING=1")
	p.signal(t, syscall.SIGHUP)
	next("RELOADING=1\nMONOTONIC_USEC=", "READY=1")
	next("READY=1", "STOPPING=1")
	p.signal(t, syscall.SIGTERM)
	next("STOPPING=1", "")
	if code := p.wait(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d: %s", code, p.stderr.String())
	}
}

// TestServeEndsWithoutServer: a service that never reached a server ends as well.
func TestServeEndsWithoutServer(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	p := start(t, "usher", "serve", "-c", in.Config())
	p.waitFor(t, "usher is running")
	p.signal(t, syscall.SIGTERM)
	if code := p.wait(t); code != cmdutil.ExitOK {
		t.Errorf("exit code %d", code)
	}
}

// TestServeHangup: SIGHUP reads keyring and directory again, good or bad, and
// reopens the audit file that was renamed.
func TestServeHangup(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	p := in.serve(t)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Fatalf("alice: exit code %d", code)
	}
	callouttest.Eventually(t, "the decision is written down", func() bool {
		before, err := os.ReadFile(in.Path("audit.jsonl"))
		return err == nil && strings.Contains(string(before), `"granted"`)
	})
	callouttest.Must(t, os.Rename(in.Path("audit.jsonl"), in.Path("audit.1")))
	p.signal(t, syscall.SIGHUP)
	p.waitFor(t, "msg=\"reloaded the directory\" by=SIGHUP")
	p.waitFor(t, "msg=\"reloaded the keyring\" by=SIGHUP")
	callouttest.Eventually(t, "the audit file is made anew", func() bool {
		info, err := os.Stat(in.Path("audit.jsonl"))
		return err == nil && info.Mode().Perm() == 0o600
	})
	before, err := os.ReadFile(in.Path("audit.1"))
	callouttest.Must(t, err)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Fatalf("alice: exit code %d", code)
	}
	callouttest.Eventually(t, "the new file has the next decision", func() bool {
		after, err := os.ReadFile(in.Path("audit.jsonl"))
		return err == nil && strings.Contains(string(after), `"granted"`)
	})
	if after, err := os.ReadFile(in.Path("audit.1")); err != nil || string(after) != string(before) {
		t.Errorf("the old one goes on: %v\n%s", err, after)
	}

	in.Write(t, setup.FileDirectory, "users: 7\n")
	p.waitFor(t, "line=1")
	p.signal(t, syscall.SIGHUP)
	p.waitFor(t, "reload failed; the last good directory stays")
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("with a faulty directory: exit code %d", code)
	}
	in.Write(t, setup.DirKeys+"/broken.nk", "broken\n")
	p.signal(t, syscall.SIGHUP)
	p.waitFor(t, "reload failed; the last good keyring stays")
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("with a broken seed: exit code %d", code)
	}
	in.Write(t, setup.FileDirectory, "users: []\nprojects: []\n")
	p.signal(t, syscall.SIGHUP)
	callouttest.Eventually(t, "alice is gone", func() bool { return in.try(t) == cmdutil.ExitDenied })
	if p.ended() {
		t.Error("SIGHUP ended it")
	}
}

// TestServeReadableSecrets: no secret that others can read is used.
//
// Attack: reading a password or a key file of usher on a shared machine
// Held by: usher refuses a secret file that others can read
func TestServeReadableSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{setup.FileIssuer, setup.FileXKey, setup.FilePassword} {
		in := newInstallation(t)
		callouttest.Must(t, os.Chmod(in.Path(name), 0o640))
		code, stdout, stderr := usher(t, "serve", "-c", in.Config())
		if code != cmdutil.ExitConfig || stdout != "" || !strings.Contains(stderr, in.Path(name)) || !strings.Contains(stderr, "usher: hint: chmod 600") {
			t.Errorf("%s: exit code %d\n%s", name, code, stderr)
		}
		in.Edit(t, setup.FileConfig, "#allow_group_readable: false", "allow_group_readable: true")
		if code, _, stderr := usher(t, "check", "--offline", "-c", in.Config()); code != cmdutil.ExitOK {
			t.Errorf("%s, allowed for the group: exit code %d\n%s", name, code, stderr)
		}
		callouttest.Must(t, os.Chmod(in.Path(name), 0o644))
		if code, _, _ := usher(t, "check", "--offline", "-c", in.Config()); code != cmdutil.ExitConfig {
			t.Errorf("%s, readable for all: exit code %d", name, code)
		}
	}
}
