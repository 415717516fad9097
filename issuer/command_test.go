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
	file = filepath.Join(tb.TempDir(), "elsewhere.nk")
	callouttest.WriteSeed(tb, file, seed)
	return file, seed, public
}

func command(tb testing.TB, public string, argv ...string) issuer.Signer {
	tb.Helper()
	s, err := issuer.NewCommand(public, argv)
	must(tb, err)
	return s
}

// A program may answer in every form that a signature has, and in no other.
func TestCommand(t *testing.T) {
	signer := program(t)
	file, seed, public := seedFile(t)
	here, err := issuer.NewSigner([]byte(seed))
	must(t, err)
	for _, data := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("a user JWT "), 50_000)} {
		want, err := here.Sign(t.Context(), data)
		must(t, err)
		for _, form := range []string{"raw", "base64", "lines", "url", "complain"} {
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
		{"hexadecimal", "128 bytes, which are not 64, nor base64 of 64", []string{"hex", file}},
		{"64 bytes and a line end", "65 bytes, which", []string{"rawline", file}},
		{"too short", "84 bytes, which", []string{"short", file}},
		{"as Vault says it", "97 bytes, which", []string{"vault", file}},
		{"nothing", "0 bytes, which", []string{"silent"}},
		{"without an end", "more than 512 bytes", []string{"flood"}},
		{"another key's", "not a signature of this key", []string{"base64", other}},
		{"a changed one", "not a signature of this key", []string{"changed", file}},
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
		t.Error("what it complains of holds a seed, and is passed on")
	}
	for _, argv := range [][]string{{filepath.Join(t.TempDir(), "gone")}, {"no-such-program-in-path"}} {
		if _, err := command(t, public, argv...).Sign(t.Context(), []byte("x")); !errors.Is(err, os.ErrNotExist) && !errors.Is(err, exec.ErrNotFound) {
			t.Errorf("%s: got %v", argv, err)
		}
	}
}

// listen returns an address where hanging programs report, a function that waits until
// one has come, and one that waits until it has ended.
func listen(t *testing.T) (addr string, there func() (ended func())) {
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
				t.Fatal("the program goes on")
			}
			_ = c.Close()
		}
	}
}

// A request that is over ends a program, and with it what that has started; a program
// that ignores SIGTERM is no exception.
func TestCommandEndsWithItsRequest(t *testing.T) {
	t.Parallel() // it waits, and so do others
	signer := program(t)
	_, _, public := seedFile(t)
	for _, mode := range []string{"hang", "wait"} {
		addr, there := listen(t)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			sig, err := command(t, public, signer, mode, addr).Sign(ctx, []byte("x"))
			if sig != nil {
				err = fmt.Errorf("a signature: %q", sig)
			}
			failed <- err
		}()
		ended := there()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", mode, err)
		}
		ended()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := command(t, public, signer, "hang").Sign(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("too late to begin: %v", err)
	}
}

// A program that leaves another behind, which holds its pipes, is at fault: its
// signature is not waited for, and the other ended.
//
// Attack: a signing program leaves processes behind that hold its pipes
// Held by: it is ended with all that it started, and its signature is not waited for
func TestCommandLeavesNothingBehind(t *testing.T) {
	file, _, public := seedFile(t)
	addr, there := listen(t)
	_, err := command(t, public, program(t), "leave", file, addr).Sign(t.Context(), []byte("x"))
	if !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("got %v", err)
	}
	there()()
}

// Where the context has no end, there is one all the same.
func TestCommandLimit(t *testing.T) {
	t.Parallel() // it waits, and so do others
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
			t.Errorf("signs for %q", public)
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
			t.Errorf("%q is a program", bad)
		}
		if _, err := issuer.NewCommand(account, bad); err == nil {
			t.Errorf("%q runs", bad)
		}
	}
}

// What signing elsewhere costs, beside signing here: read the ratio
// (docs/signing-elsewhere.md). The program is as small as one can be, and asks
// nobody.
func BenchmarkSign(b *testing.B) {
	signer := program(b)
	file, seed, public := seedFile(b)
	here, err := issuer.NewSigner([]byte(seed))
	must(b, err)
	data := bytes.Repeat([]byte("x"), 1000)
	for name, s := range map[string]issuer.Signer{"here": here, "command": command(b, public, signer, "base64", file)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Sign(b.Context(), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
