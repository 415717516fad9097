package chain

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Signer signs checkpoints; issuer.Signer is one.
type Signer interface {
	// PublicKey returns the public nkey.
	PublicKey() string
	// Sign returns the ed25519 signature of data.
	Sign(ctx context.Context, data []byte) ([]byte, error)
}

// Config is how a Writer works.
type Config struct {
	Out    io.Writer     // gets one line with each call
	ID     string        // of NewID
	After  Hash          // of the line that Out ends with; zero: it is empty, or others write it, too
	Torn   bool          // Out ends within a line
	Signer func() Signer // nil: checkpoints are not signed
	Host   string        // name of this machine, for checkpoints
	Now    func() time.Time
}

// Writer chains lines. It is not safe for concurrent use.
type Writer struct {
	cfg      Config
	seq      uint64 // of the last line that was written
	prev     Hash
	torn     bool
	unsigned int // lines since the last signature
}

// NewWriter returns a Writer.
func NewWriter(cfg *Config) *Writer { return &Writer{cfg: *cfg, prev: cfg.After, torn: cfg.Torn} }

// ErrNotALine: what is to be chained is not one JSON object with a line end.
var ErrNotALine = errors.New("not one JSON object with a line end")

// Write chains one line, a JSON object that is not empty, and writes it. If that fails the
// line has no place in the chain.
func (w *Writer) Write(line []byte) (int, error) {
	body, ok := bytes.CutSuffix(line, []byte("}\n"))
	if !ok || len(body) < 2 || bytes.IndexByte(body, '\n') >= 0 {
		return 0, ErrNotALine
	}
	if err := w.put(append(w.link(body), '}')); err != nil {
		return 0, err
	}
	w.unsigned++
	return len(line), nil
}

// link returns an open object with its place in the chain.
func (w *Writer) link(body []byte) []byte {
	const room = 160
	line := append(make([]byte, 0, len(body)+room), body...)
	line = append(line, `,"writer":"`...)
	line = append(line, w.cfg.ID...)
	line = append(line, `","seq":`...)
	line = strconv.AppendUint(line, w.seq+1, 10)
	line = append(line, `,"prev":"`...)
	line = append(line, w.prev.String()...)
	return append(line, '"')
}

func (w *Writer) put(line []byte) error {
	out := make([]byte, 0, len(line)+2)
	if w.torn {
		out = append(out, '\n')
	}
	out = append(append(out, line...), '\n')
	if n, err := w.cfg.Out.Write(out); err != nil {
		w.torn = w.torn && n == 0 || n > 1
		return err
	}
	w.torn = false
	w.seq++
	w.prev = Of(line)
	return nil
}

// Started reports whether a line is written. The first one has to be a checkpoint.
func (w *Writer) Started() bool { return w.seq > 0 }

// Unsigned returns the number of lines that no checkpoint signs yet.
func (w *Writer) Unsigned() int { return w.unsigned }

// Checkpoint writes a signed line. lost is how many events could not be written. If it cannot
// be signed, it is written without a signature, and the error says why.
func (w *Writer) Checkpoint(ctx context.Context, reason Reason, lost uint64) error {
	head := struct {
		Kind   string    `json:"kind"`
		Time   time.Time `json:"time"`
		Reason Reason    `json:"reason"`
		Host   string    `json:"host,omitempty"`
		Lost   uint64    `json:"lost"`
		Key    string    `json:"key,omitempty"`
	}{Kind: KindCheckpoint, Time: w.cfg.Now(), Reason: reason, Host: w.cfg.Host, Lost: lost}
	var signer Signer
	if w.cfg.Signer != nil {
		signer = w.cfg.Signer()
		head.Key = signer.PublicKey()
	}
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	line := w.link(bytes.TrimSuffix(text, []byte("}")))
	var unsigned error
	if signer != nil {
		sig, err := signer.Sign(ctx, line)
		if err == nil {
			line = append(line, sigField...)
			line = append(line, base64.RawURLEncoding.EncodeToString(sig)...)
			line = append(line, '"')
		} else {
			unsigned = fmt.Errorf("sign a checkpoint of the audit: %w", err)
		}
	}
	if err := w.put(append(line, '}')); err != nil {
		return err
	}
	if unsigned != nil {
		w.unsigned++
		return unsigned
	}
	w.unsigned = 0
	return nil
}

// sigField begins the last member of a checkpoint. What stands before it is signed. A JWT
// begins with no brace, so the signature of a checkpoint is never one of a JWT.
const sigField = `,"sig":"`
