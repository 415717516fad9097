package issuer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/secret"
)

// ErrSignature: the output of a signing program is not a valid signature of its key.
var ErrSignature = errors.New("not a signature of this key")

// ErrProgram: the name of a program is a relative path.
var ErrProgram = errors.New("neither an absolute path nor a bare program name")

const (
	// commandTimeout limits the run time of a program for one signature. The context
	// of a request usually has an earlier deadline.
	commandTimeout = 5 * time.Second
	// commandWaitDelay is how long the pipes may stay open after the program has
	// exited. Its output is in the pipe by then, but on a busy machine reading it takes
	// time.
	commandWaitDelay = time.Second
	// maxOutput bounds what is kept of standard output and of standard error. It is
	// far above the size of a signature.
	maxOutput = 512
)

// commandSigner signs with a key that another system holds. It runs a program for
// each signature, and so twice for each response (docs/reference/signing-programs.md). The
// program reads the data on standard input and writes the signature to standard
// output, as base64 or as its 64 bytes.
type commandSigner struct {
	public string
	key    ed25519.PublicKey
	argv   []string
}

// NewCommand returns a Signer that runs argv for every signature, without a shell.
// NewCommand itself runs nothing. public is the public nkey of the program's key.
// Every signature is verified with it before use, so that a program with the wrong
// key fails here and not in the server.
func NewCommand(public string, argv []string) (Signer, error) {
	prefix, raw, err := decodePublic(public)
	if err != nil || prefix == nkeys.PrefixByteCurve {
		return nil, nkeys.ErrInvalidPublicKey
	}
	if err := CheckProgram(argv); err != nil {
		return nil, err
	}
	return &commandSigner{public: public, key: raw[:], argv: argv}, nil
}

// CheckProgram reports whether argv means the same in every working directory: its
// first element is an absolute path, or a bare name to look up in PATH. It does not
// check that the program exists.
func CheckProgram(argv []string) error {
	switch {
	case len(argv) == 0 || argv[0] == "":
		return errors.New("names no program")
	case !filepath.IsAbs(argv[0]) && (filepath.Base(argv[0]) != argv[0] || strings.ContainsAny(argv[0], `/\`) || strings.Trim(argv[0], ".") == ""):
		return ErrProgram
	case strings.Contains(strings.Join(argv, ""), "\x00"):
		return errors.New("contains a null byte, which no argument can")
	}
	return nil
}

func (s *commandSigner) PublicKey() string { return s.public }

// Sign runs the program. On Unix its child processes end with it.
func (s *commandSigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...) //nolint:gosec // the operator's own program, from a file that only the operator can write
	cmd.WaitDelay = commandWaitDelay
	cmd.Stdin = bytes.NewReader(data)
	stdout, stderr := limitedBuffer{strict: true}, limitedBuffer{}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	kill := inGroup(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		kill() // a child process holds the pipes open
	}
	switch {
	case stdout.exceeded:
		return nil, fmt.Errorf("%s: %w: more than %d bytes", s.argv[0], ErrSignature, maxOutput)
	case err != nil:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("run %s: %w%s", s.argv[0], err, stderr.text())
	}
	signature, err := decodeSignature(stdout.b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.argv[0], err)
	}
	if !ed25519.Verify(s.key, data, signature) {
		return nil, fmt.Errorf("%s: %w", s.argv[0], ErrSignature)
	}
	return signature, nil
}

// decodeSignature decodes the output of a program: 64 bytes, or any form of base64
// of them.
func decodeSignature(out []byte) ([]byte, error) {
	if len(out) == ed25519.SignatureSize {
		return out, nil
	}
	text := strings.TrimRight(strings.TrimSpace(string(out)), "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(text); err == nil && len(b) == ed25519.SignatureSize {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: %d bytes, which are neither 64 bytes nor base64 of 64 bytes", ErrSignature, len(out))
}

// limitedBuffer keeps the first maxOutput bytes. A strict one fails the write that
// exceeds them, which ends a program that writes without end.
type limitedBuffer struct {
	b                []byte
	strict, exceeded bool
}

var errTooMuch = errors.New("too much output")

func (w *limitedBuffer) Write(p []byte) (int, error) {
	free := maxOutput - len(w.b)
	w.b = append(w.b, p[:min(len(p), free)]...)
	if w.strict && len(p) > free {
		w.exceeded = true
		return free, errTooMuch
	}
	return len(p), nil
}

// text returns the first line, without secrets, for an error message.
func (w *limitedBuffer) text() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(w.b)), "\n")
	if line == "" {
		return ""
	}
	return ": " + secret.Redact(strings.ToValidUTF8(line, ""))
}
