package issuer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"usher/secret"
)

// ErrSignature: a program that signs elsewhere has answered with something that
// is not the signature of the key that it is there for.
var ErrSignature = errors.New("not a signature of this key")

// commandWait is how long a program may hold on to its pipes after it was ended.
const commandWait = 100 * time.Millisecond

// commandSigner signs with a key that is not on this machine: a program gets the
// bytes on standard input and answers with the signature, in base64 or as its 64
// bytes, on standard output. It runs once for each signature, two for an answer.
type commandSigner struct {
	public string
	argv   []string
}

// NewCommand returns a Signer that runs argv for every signature. No shell is
// involved. public is the public nkey that the program signs for; every signature
// is verified with it before it is used, so that a program that signs with
// another key is found out here and not by the server.
func NewCommand(public string, argv []string) Signer {
	return &commandSigner{public: public, argv: argv}
}

func (s *commandSigner) PublicKey() string { return s.public }

func (s *commandSigner) Sign(ctx context.Context, data []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.argv[0], s.argv[1:]...) //nolint:gosec // the operator's own program, from a file that only the operator can write
	cmd.WaitDelay = commandWait
	cmd.Stdin = bytes.NewReader(data)
	var out, complaint bounded
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("run %s: %w%s", s.argv[0], err, complaint.text())
	}
	signature, err := decodeSignature(out.b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.argv[0], err)
	}
	kp, err := nkeys.FromPublicKey(s.public)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w", s.argv[0], err)
	}
	if kp.Verify(data, signature) != nil {
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

// maxOutput is far above any signature, and what is kept of a complaint.
const maxOutput = 512

// bounded keeps the beginning of what is written to it.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	w.b = append(w.b, p[:min(len(p), maxOutput-len(w.b))]...)
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
