package diskcache

import (
	"bufio"
	"crypto/sha256"
	"io"

	"github.com/fxamacker/cbor/v2"

	"usher/directory"
	"usher/internal/atomicfile"
)

// Write writes c to a file, in place of the old one.
func Write(path string, c *Contents) error {
	h := header{Bucket: c.Bucket, Created: c.Created, Revision: c.Revision, Written: c.Written, Checked: c.Checked, Faulty: c.Faulty}
	start := magic
	for e := range c.Snapshot.Entries() {
		h.Entries++
		switch {
		case e.Key.Kind == directory.KindBan:
			start = magicBans
		case isOther(&e) && start == magic:
			start = magicOther
		}
	}
	return atomicfile.Stream(path, 0o600, func(w io.Writer) error {
		sum := sha256.New()
		body := bufio.NewWriterSize(io.MultiWriter(w, sum), bufferSize)
		if _, err := body.WriteString(start); err != nil {
			return err
		}
		mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
		if err != nil {
			return err
		}
		e := mode.NewEncoder(body)
		if err := e.Encode(h); err != nil {
			return err
		}
		for entry := range c.Snapshot.Entries() {
			if err := encodeEntry(e, &entry); err != nil {
				return err
			}
		}
		if err := encodeCharges(e, c.Charges.All()); err != nil {
			return err
		}
		if err := body.Flush(); err != nil {
			return err
		}
		_, err = w.Write(sum.Sum(nil))
		return err
	})
}

// isOther reports an entry of a key that is no API key.
func isOther(e *directory.Entry) bool {
	k, ok := e.Value.(*directory.Key)
	return ok && k.Other != nil
}
