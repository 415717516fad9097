// Package statefile keeps the live sessions in a file, so that the only replica of usher
// still knows after a restart why its clients were granted.
//
// It promises that a file is read as a whole or not at all, and that a new file replaces the
// old one atomically. A file that other users can write to is refused. It holds no secret;
// nevertheless only its owner can read it.
package statefile

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/fxamacker/cbor/v2"

	"usher/app/sessions"
	"usher/callout/session"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

var (
	// ErrDamaged: the file is damaged, or is none of sessions.
	ErrDamaged = errors.New("the file of sessions is damaged")
	// ErrOtherVersion: another version of usher has written the file.
	ErrOtherVersion = errors.New("not a file of sessions of this version")
)

// A file is compressed with gzip, whose checksum covers all of it: format, and the batches
// of sessions.Encode as CBOR byte strings.
const (
	format    = "usher sessions 1"
	perRound  = 1024    // sessions that are encoded at once
	batchSize = 1 << 20 // bytes
	maxBatch  = 4 << 20 // bytes that Read accepts
)

// Write writes sessions to a file, in place of the old one.
func Write(path string, all iter.Seq[*session.Session]) error {
	return atomicfile.Stream(path, 0o600, func(w io.Writer) error {
		zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			return err
		}
		body := bufio.NewWriter(zip)
		e := cbor.NewEncoder(body)
		if err := e.Encode(format); err != nil {
			return err
		}
		round := make([]*session.Session, 0, perRound)
		flush := func() error {
			batches, err := sessions.Encode(round, batchSize)
			if err != nil && !errors.Is(err, sessions.ErrTooLarge) { // one that is too large is not kept
				return err
			}
			for _, b := range batches {
				if err := e.Encode(b); err != nil {
					return err
				}
			}
			round = round[:0]
			return nil
		}
		for s := range all {
			if round = append(round, s); len(round) == perRound {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		if err := flush(); err != nil {
			return err
		}
		return errors.Join(body.Flush(), zip.Close())
	})
}

// Read reads the sessions of a file that may still live: those whose user JWT has not
// expired. The error is ErrDamaged or ErrOtherVersion; or that of the file system, such as
// fs.ErrNotExist.
func Read(path string, now time.Time) ([]*session.Session, error) {
	f, _, err := ownedfile.Open(path, ownedfile.Rule{NoGroupWrite: true})
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	return decode(bufio.NewReader(f), now)
}

func decode(r io.Reader, now time.Time) (all []*session.Session, err error) {
	zip, err := gzip.NewReader(r)
	if err != nil {
		return nil, ErrDamaged
	}
	d := cbor.NewDecoder(bufio.NewReader(zip))
	var found string
	if err := d.Decode(&found); err != nil {
		return nil, ErrDamaged
	}
	if found != format {
		return nil, ErrOtherVersion
	}
	for {
		var batch []byte
		if err := d.Decode(&batch); errors.Is(err, io.EOF) {
			return all, nil // gzip has compared the checksum
		} else if err != nil || len(batch) > maxBatch {
			return nil, ErrDamaged
		}
		some, err := sessions.Decode(batch)
		if err != nil && !errors.Is(err, sessions.ErrUnreadable) { // one that cannot be read is not known
			return nil, ErrDamaged
		}
		for _, s := range some {
			if s.Expires.IsZero() || s.Expires.After(now) {
				all = append(all, s)
			}
		}
	}
}
