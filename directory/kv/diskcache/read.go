package diskcache

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/fxamacker/cbor/v2"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/ownedfile"
)

const bufferSize = 1 << 20

// Read reads a file that Write has written for this bucket. It reads all of the file
// before it returns any of it. The error is ErrDamaged, ErrOtherVersion or
// ErrOtherBucket; or that of the file system, such as fs.ErrNotExist.
func Read(path, bucket string) (*Contents, error) {
	f, info, err := ownedfile.Open(path, ownedfile.Rule{NoGroupWrite: true}) // the file decides who may connect
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	size := info.Size() - sha256.Size
	if size < int64(len(magic)) {
		return nil, ErrDamaged
	}
	sum := sha256.New()
	body := bufio.NewReaderSize(io.TeeReader(io.LimitReader(f, size), sum), bufferSize)
	start := make([]byte, len(magic))
	if _, err := io.ReadFull(body, start); err != nil || !isMagic(string(start)) {
		return nil, ErrOtherVersion
	}
	c, n, err := decode(body)
	if err != nil {
		return nil, err
	}
	if c.Bucket != bucket {
		return nil, fmt.Errorf("%w, %q", ErrOtherBucket, c.Bucket)
	}
	if int64(len(magic)+n) != size || !checksumMatches(f, body, sum) {
		return nil, ErrDamaged
	}
	return c, nil
}

func isMagic(text string) bool { return text == magic || text == magicOther || text == magicBans }

// checksumMatches reads the rest of the body, which has to be empty, and compares the
// checksum behind it.
func checksumMatches(f io.Reader, body io.Reader, sum hash.Hash) bool {
	rest, err := io.Copy(io.Discard, body)
	want := make([]byte, sha256.Size)
	if _, readErr := io.ReadFull(f, want); err != nil || rest != 0 || readErr != nil {
		return false
	}
	return bytes.Equal(want, sum.Sum(nil))
}

// decode decodes entries in one goroutine and builds the snapshot in another. It
// returns the number of bytes it has decoded.
func decode(r io.Reader) (*Contents, int, error) {
	mode, err := cbor.DecOptions{MaxArrayElements: maxACLLength, ExtraReturnErrors: cbor.ExtraDecErrorUnknownField}.DecMode()
	if err != nil {
		return nil, 0, fmt.Errorf("read: %w", err)
	}
	var h header
	d := mode.NewDecoder(r)
	if err := d.Decode(&h); err != nil || h.Entries < 0 {
		return nil, 0, ErrDamaged
	}
	c := &Contents{Bucket: h.Bucket, Created: h.Created, Revision: h.Revision, Written: h.Written, Checked: h.Checked, Faulty: h.Faulty}
	const blockSize = 1024
	blocks := make(chan []directory.Entry, 8)
	built := make(chan struct{})
	go func() {
		defer close(built)
		b := snapshot.NewBuilder()
		for entries := range blocks {
			for i := range entries {
				b.Add(&entries[i])
			}
		}
		c.Snapshot, c.Problems = b.Snapshot()
	}()
	for left := h.Entries; left > 0 && err == nil; left -= blockSize {
		entries := make([]directory.Entry, min(left, blockSize))
		for i := range entries {
			if entries[i], err = decodeEntry(d); err != nil {
				break
			}
		}
		if err == nil {
			blocks <- entries
		}
	}
	close(blocks)
	<-built
	if err == nil {
		c.Charges, err = decodeCharges(d)
	}
	return c, d.NumBytesRead(), err
}
