//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// output runs a program to its end, and repeats it if nothing replied in time.
func output(t *testing.T, program string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	for range apptest.Attempts {
		p := start(t, program, args...)
		code = p.wait(t)
		stdout, stderr = p.stdout.String(), p.stderr.String()
		if code == cmdutil.ExitOK || code == cmdutil.ExitDenied || !apptest.Unanswered(stdout+stderr) {
			break
		}
	}
	return code, stdout, stderr
}

// TestBuilt tests the programs as users have them: a built usher and a stock nats-server.
func TestBuilt(t *testing.T) {
	t.Parallel()
	program := callouttest.Build(t, "usher", ".")
	natsServer := callouttest.Build(t, "nats-server", callouttest.NATSServerPackage)
	t.Run("with a stock nats-server", func(t *testing.T) {
		t.Parallel()
		stockServer(t, program, natsServer)
	})
	t.Run("with a stock nats-server in operator mode", func(t *testing.T) {
		t.Parallel()
		stockServer(t, program, natsServer, "--operator")
	})
	t.Run("the way of the README", func(t *testing.T) {
		t.Parallel()
		readme(t, program, natsServer)
	})
	t.Run("dev prints commands to paste", func(t *testing.T) {
		t.Parallel()
		pasteCommands(t, program)
	})
	t.Run("dev in operator mode does, too", func(t *testing.T) {
		t.Parallel()
		pasteCommands(t, program, "--operator")
	})
}

// stockServer follows the README: init, both programs with the generated files, a key, a
// user and a client.
func stockServer(t *testing.T, program, natsServer string, mode ...string) {
	t.Helper()
	in := newInstallation(t)
	callouttest.Must(t, os.RemoveAll(in.Dir))
	args := append([]string{"init"}, mode...)
	code, _, stderr := output(t, program, append(args, "--listen", strings.TrimPrefix(in.URL, "nats://"), "--http", strings.TrimPrefix(in.Web, "http://"), "--api", in.API, in.Dir)...)
	if code != cmdutil.ExitOK {
		t.Fatalf("init: %d\n%s", code, stderr)
	}
	if out, err := exec.CommandContext(t.Context(), natsServer, "-t", "-c", in.Path(setup.FileServerConfig)).CombinedOutput(); err != nil || strings.Contains(strings.ToLower(string(out)), "warn") {
		t.Errorf("nats-server does not like its configuration: %v\n%s", err, out)
	}
	server := start(t, natsServer, "-c", in.Path(setup.FileServerConfig))
	server.waitFor(t, "Server is ready")
	if strings.Contains(server.stderr.String(), "[WRN]") {
		t.Errorf("nats-server warns:\n%s", server.stderr.String())
	}
	usher := start(t, program, "serve", "-c", in.Config())
	in.waitReady(t, usher)
	if len(mode) == 0 {
		if code, stdout, stderr := output(t, program, "check", "-c", in.Config()); code != cmdutil.ExitOK || strings.Contains(stdout, "warning") {
			t.Errorf("check: %d\n%s%s", code, stdout, stderr)
		}
	}
	if code, _, stderr := output(t, program, "healthcheck", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Errorf("healthcheck: %d\n%s", code, stderr)
	}

	code, key, line := output(t, program, "apikey", "new", "--user", "alice")
	if code != cmdutil.ExitOK {
		t.Fatalf("apikey new: %d\n%s", code, line)
	}
	_, line, _ = strings.Cut(line, "\n") // the first one says where the next goes
	in.Write(t, setup.FileDirectory, `
users:
  - name: alice
    keys:
      `+line+`projects:
  - name: shop
    account: `+setup.AccountApp+`
    members: [{user: alice, roles: [publisher]}]
    topics: [{name: orders, acl: [alice]}]
`)
	var nc *nats.Conn
	callouttest.Eventually(t, "alice gets in", func() bool {
		var err error
		nc, err = nats.Connect(in.URL, nats.Token(strings.TrimSpace(key)))
		return err == nil
	})
	defer nc.Close()
	callouttest.Must(t, nc.Publish("shop.orders", []byte("teapot")))
	callouttest.Must(t, nc.FlushTimeout(20*time.Second))
	callouttest.Must(t, nc.LastError())

	usher.signal(t, syscall.SIGTERM)
	if code := usher.wait(t); code != cmdutil.ExitOK {
		t.Errorf("usher ended with %d", code)
	}
	server.signal(t, syscall.SIGTERM)
	server.wait(t)
}

// pasteCommands runs the commands that "usher dev" prints in a shell.
func pasteCommands(t *testing.T, program string, mode ...string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a demo, with 'quotes'")
	dev := start(t, program, append([]string{"dev", "--listen", ownAddress(t), "--dir", dir}, mode...)...)
	dev.waitFor(t, " user list -s ")
	comment, pasted := "", 0
	for line := range strings.Lines(dev.stdout.String()) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			comment = line
			continue
		case comment == "" || line == "":
			continue
		}
		pasted++
		want := cmdutil.ExitOK
		switch {
		case strings.HasPrefix(comment, "# denied"):
			want = cmdutil.ExitDenied
		case strings.Contains(line, " explain "): // one of the two subjects is not allowed
			want = cmdutil.ExitDenied
		}
		code, stdout, stderr := output(t, "/bin/sh", "-c", line)
		if code != want {
			t.Errorf("%s\n%s\nexit code %d, not %d\n%s%s", comment, line, code, want, stdout, stderr)
		}
		if strings.Contains(line, "usher_") {
			t.Errorf("a token stands on the command line: %s", line)
		}
	}
	if pasted != 9 {
		t.Errorf("%d commands, not 9:\n%s", pasted, dev.stdout.String())
	}
	dev.signal(t, os.Interrupt)
	if code := dev.wait(t); code != cmdutil.ExitOK {
		t.Errorf("it ended with %d", code)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error("the directory that was asked for is gone")
	}
}

// TestDevEnds: Ctrl-C ends the demo, and no file stays.
func TestDevEnds(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p, a := startDev(t, "--listen", "127.0.0.1:0")
		if _, err := os.Stat(a.Dir); err != nil {
			t.Error(err)
		}
		p.signal(t, s)
		if code := p.wait(t); code != cmdutil.ExitOK {
			t.Errorf("%s: exit code %d", s, code)
		}
		if _, err := os.Stat(a.Dir); !os.IsNotExist(err) {
			t.Errorf("%s: %s is still there: %v", s, a.Dir, err)
		}
	}
}
