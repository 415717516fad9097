package issuer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/issuer"
)

// program builds the program of testdata/signer.
func program(tb testing.TB) string {
	tb.Helper()
	return callouttest.Build(tb, "signer", "usher/issuer/testdata/signer")
}

// seedFile returns a file with a new account seed, and its public key.
func seedFile(tb testing.TB) (file, seed, public string) {
	tb.Helper()
	seed, public = seedOf(tb, nkeys.PrefixByteAccount)
	file = filepath.Join(tb.TempDir(), "external.nk")
	callouttest.WriteSeed(tb, file, seed)
	return file, seed, public
}

func command(tb testing.TB, public string, argv ...string) issuer.Signer {
	tb.Helper()
	s, err := issuer.NewCommand(public, argv)
	must(tb, err)
	return s
}

// The output may be the raw signature or base64 in any form, and nothing else.
func TestCommand(t *testing.T) {
	signer := program(t)
	file, seed, public := seedFile(t)
	local, err := issuer.NewSigner([]byte(seed))
	must(t, err)
	for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("a user JWT "), 50_000)} {
		want, err := local.Sign(t.Context(), data)
		must(t, err)
		for _, form := range []string{"raw", "base64", "lines", "url", "warn"} {
			s := command(t, public, signer, form, file)
			got, err := s.Sign(t.Context(), data)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: %v", form, len(data), err)
			}
			if s.PublicKey() != public {
				t.Errorf("public key %s", s.PublicKey())
			}
		}
	}
	other, _, _ := seedFile(t)
	for _, tt := range []struct {
		name, want string
		argv       []string
	}{
		{"hexadecimal", "128 bytes, which are neither 64 bytes nor base64 of 64 bytes", []string{"hex", file}},
		{"64 bytes and a newline", "65 bytes, which", []string{"rawline", file}},
		{"too short", "84 bytes, which", []string{"short", file}},
		{"Vault's format", "97 bytes, which", []string{"vault", file}},
		{"no output", "0 bytes, which", []string{"silent"}},
		{"endless output", "more than 512 bytes", []string{"flood"}},
		{"signature of another key", "not a signature of this key", []string{"base64", other}},
		{"modified signature", "not a signature of this key", []string{"modified", file}},
	} {
		sig, err := command(t, public, append([]string{signer}, tt.argv...)...).Sign(t.Context(), bytes.Repeat([]byte("x"), 1<<20))
		if !errors.Is(err, issuer.ErrSignature) || sig != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v", tt.name, sig, err)
		}
	}
}

func TestCommandFails(t *testing.T) {
	signer := program(t)
	_, seed, public := seedFile(t)
	_, err := command(t, public, signer, "fail", seed).Sign(t.Context(), []byte("x"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "vault is sealed: ") || len(err.Error()) > 1024 {
		t.Errorf("got %.1000v", err)
	}
	if strings.Contains(err.Error(), seed[:12]) {
		t.Error("the error contains a seed from standard error")
	}
	for _, argv := range [][]string{{filepath.Join(t.TempDir(), "gone")}, {"no-such-program-in-path"}} {
		if _, err := command(t, public, argv...).Sign(t.Context(), []byte("x")); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%s: got %v", argv, err)
		}
	}
}

// listen returns an address to which hanging programs connect. started waits until one
// has connected, and exited waits until that program has exited.
func listen(t *testing.T) (addr string, started func() (exited func())) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), func() func() {
		t.Helper()
		must(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(20*time.Second)))
		c, err := l.Accept()
		must(t, err)
		return func() {
			t.Helper()
			must(t, c.SetDeadline(time.Now().Add(20*time.Second)))
			if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the program still runs")
			}
			_ = c.Close()
		}
	}
}

// When the context of a request ends, the program and its child processes end, even if
// they ignore SIGTERM.
func TestCommandEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	signer := program(t)
	_, _, public := seedFile(t)
	for _, mode := range []string{"hang", "wait"} {
		addr, started := listen(t)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			sig, err := command(t, public, signer, mode, addr).Sign(ctx, []byte("x"))
			if sig != nil {
				err = fmt.Errorf("a signature: %q", sig)
			}
			failed <- err
		}()
		exited := started()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", mode, err)
		}
		exited()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := command(t, public, signer, "hang").Sign(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("context already canceled: got %v", err)
	}
}

// A program that leaves a child process behind, which holds its pipes open, fails. Its
// signature is not used, and the child process is killed.
//
// Attack: a signing program leaves child processes behind that hold its pipes open
// Held by: its whole process group is killed, and its signature is not used
func TestCommandLeavesNothingBehind(t *testing.T) {
	file, _, public := seedFile(t)
	addr, started := listen(t)
	_, err := command(t, public, program(t), "leave", file, addr).Sign(t.Context(), []byte("x"))
	if !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("got %v", err)
	}
	started()()
}

// A program has a time limit even if the context has no deadline.
func TestCommandTimeout(t *testing.T) {
	t.Parallel()
	_, _, public := seedFile(t)
	_, err := command(t, public, program(t), "hang").Sign(context.Background(), nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestNewCommandRefuses(t *testing.T) {
	_, account := seedOf(t, nkeys.PrefixByteAccount)
	_, curve := seedOf(t, nkeys.PrefixByteCurve)
	long, err := nkeys.Encode(nkeys.PrefixByteAccount, make([]byte, 33))
	must(t, err)
	for _, public := range []string{"", "A", account[:55], curve, string(long)} {
		if _, err := issuer.NewCommand(public, []string{"true"}); err == nil {
			t.Errorf("public key %q is accepted", public)
		}
	}
	absolute, err := filepath.Abs("sign")
	must(t, err)
	for _, good := range [][]string{{"sign"}, {absolute}, {"sign", "../x", "a\nb", ""}, {"sign.sh"}} {
		if err := issuer.CheckProgram(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range [][]string{nil, {""}, {"", "x"}, {"./sign"}, {"bin/sign"}, {"../sign"}, {`bin\sign`}, {"."}, {".."}, {"sign", "a\x00b"}, {"si\x00gn"}} {
		if err := issuer.CheckProgram(bad); err == nil {
			t.Errorf("CheckProgram accepts %q", bad)
		}
		if _, err := issuer.NewCommand(account, bad); err == nil {
			t.Errorf("NewCommand accepts %q", bad)
		}
	}
}

// BenchmarkSign compares signing by a program with signing in process; the ratio is
// what counts (docs/reference/signing-programs.md). The program is minimal and uses no network.
func BenchmarkSign(b *testing.B) {
	signer := program(b)
	file, seed, public := seedFile(b)
	local, err := issuer.NewSigner([]byte(seed))
	must(b, err)
	data := bytes.Repeat([]byte("x"), 1000)
	for name, s := range map[string]issuer.Signer{"seed": local, "command": command(b, public, signer, "base64", file)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Sign(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
