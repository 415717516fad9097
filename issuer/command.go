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

// ErrSignature: a program that signs elsewhere has answered with something that
// is not the signature of the key that it is there for.
var ErrSignature = errors.New("not a signature of this key")

// ErrProgram: a program cannot be told by this name.
var ErrProgram = errors.New("neither an absolute path nor the bare name of a program")

const (
	// commandLimit is how long a program may run for one signature where the
	// context says nothing shorter, as the budget of a request does.
	commandLimit = 5 * time.Second
	// commandWait is how long it may hold on to its pipes after it has ended. What it
	// has written is there by then, but on a busy machine it takes us a while to read it.
	commandWait = time.Second
	// maxOutput is far above any signature, and what is kept of a complaint.
	maxOutput = 512
)

// commandSigner signs with a key that is not on this machine: a program gets the
// bytes on standard input and answers with the signature, in base64 or as its 64
// bytes, on standard output. It runs once for each signature, two for an answer
// (docs/signing-elsewhere.md).
type commandSigner struct {
	public string
	key    ed25519.PublicKey
	argv   []string
}

// NewCommand returns a Signer that runs argv for every signature; nothing runs
// before that. No shell is involved. public is the public nkey that the program
// signs for; every signature is verified with it before it is used, so that a
// program that signs with another key is found out here and not by the server.
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

// CheckProgram reports whether argv can be run from wherever usher was started:
// its first element is an absolute path, or a bare name that is looked for in
// PATH. It does not look whether the program is there.
func CheckProgram(argv []string) error {
	switch {
	case len(argv) == 0 || argv[0] == "":
		return errors.New("names no program")
	case !filepath.IsAbs(argv[0]) && (filepath.Base(argv[0]) != argv[0] || strings.ContainsAny(argv[0], `/\`) || strings.Trim(argv[0], ".") == ""):
		return ErrProgram
	case strings.Contains(strings.Join(argv, ""), "\x00"):
		return errors.New("holds a null byte, which no argument can")
	}
	return nil
}

func (s *commandSigner) PublicKey() string { return s.public }

// Sign runs the program. What it has started itself is ended with it where the
// system has process groups.
func (s *commandSigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...) //nolint:gosec // the operator's own program, from a file that only the operator can write
	cmd.WaitDelay = commandWait
	cmd.Stdin = bytes.NewReader(data)
	out, complaint := bounded{strict: true}, bounded{}
	cmd.Stdout, cmd.Stderr = &out, &complaint
	kill := inGroup(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		kill() // a program that it left behind holds its pipes
	}
	switch {
	case out.over:
		return nil, fmt.Errorf("%s: %w: more than %d bytes", s.argv[0], ErrSignature, maxOutput)
	case err != nil:
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("run %s: %w%s", s.argv[0], err, complaint.text())
	}
	signature, err := decodeSignature(out.b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.argv[0], err)
	}
	if !ed25519.Verify(s.key, data, signature) {
		return nil, fmt.Errorf("%s: %w", s.argv[0], ErrSignature)
	}
	return signature, nil
}

// decodeSignature reads what a program has written: 64 bytes, or base64 of them
// in any of its forms.
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
	return nil, fmt.Errorf("%w: %d bytes, which are not 64, nor base64 of 64", ErrSignature, len(out))
}

// bounded keeps the beginning of what is written to it. A strict one takes no
// more, which ends the program that goes on writing.
type bounded struct {
	b            []byte
	strict, over bool
}

var errTooMuch = errors.New("too much output")

func (w *bounded) Write(p []byte) (int, error) {
	room := maxOutput - len(w.b)
	w.b = append(w.b, p[:min(len(p), room)]...)
	if w.strict && len(p) > room {
		w.over = true
		return room, errTooMuch
	}
	return len(p), nil
}

// text returns the first line, for people.
func (w *bounded) text() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(w.b)), "\n")
	if line == "" {
		return ""
	}
	return ": " + secret.Redact(strings.ToValidUTF8(line, ""))
}
