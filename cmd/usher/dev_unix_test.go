//go:build unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestDevRemovesItsFolder: however dev ends, it removes its temporary folder.
//
// Attack: reading the demo's keys from the temporary directory after usher dev has ended
// Held by: usher dev removes its folder when Ctrl-C, SIGTERM, a closed terminal or a closed pipe ends it
func TestDevRemovesItsFolder(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		p, a := startDev(t, "--listen", "127.0.0.1:0")
		p.signal(t, s)
		if code := p.wait(t); code != cmdutil.ExitOK {
			t.Errorf("%s: exit code %d", s, code)
		}
		if _, err := os.Stat(a.Dir); !os.IsNotExist(err) {
			t.Errorf("%s: %s: %v", s, a.Dir, err)
		}
	}
}

// TestDevClosedPipe: dev ends when nothing reads its output any more.
func TestDevClosedPipe(t *testing.T) {
	t.Parallel()
	tmp, address := t.TempDir(), ownAddress(t)
	read, write, err := os.Pipe()
	callouttest.Must(t, err)
	callouttest.Must(t, read.Close())
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "usher", "dev", "--listen", address)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr = write, write
	callouttest.Must(t, cmd.Start())
	callouttest.Must(t, write.Close())
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDevMoved: a dev directory that was moved keeps its streams.
func TestDevMoved(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	before, after := filepath.Join(parent, "before"), filepath.Join(parent, "after")
	p, a := startDev(t, "--dir", before, "--listen", ownAddress(t))
	js, err := connectDev(t, &a, a.token(t, "publisher")).JetStream(nats.MaxWait(20 * time.Second))
	callouttest.Must(t, err)
	ack, err := js.Publish("shop.orders", []byte("teapot"))
	callouttest.Must(t, err)
	p.signal(t, os.Interrupt)
	p.wait(t)
	callouttest.Must(t, os.Rename(before, after))

	p, a = startDev(t, "--dir", after)
	p.waitFor(t, "nats-server.conf has "+filepath.Join(after, setup.DirJetStream)+" instead of "+filepath.Join(before, setup.DirJetStream)+" now")
	js, err = connectDev(t, &a, a.token(t, "publisher")).JetStream(nats.MaxWait(20 * time.Second))
	callouttest.Must(t, err)
	next, err := js.Publish("shop.orders", []byte("teapot"))
	callouttest.Must(t, err)
	if next.Sequence != ack.Sequence+1 {
		t.Errorf("sequence %d before, %d after", ack.Sequence, next.Sequence)
	}
	if _, err := os.Stat(before); !os.IsNotExist(err) {
		t.Errorf("something was created at the old place: %v", err)
	}
}
