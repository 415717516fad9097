package kv

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// The cache is a file: magic, then CBOR items, then the SHA-256 of all that.
const cacheMagic = "usher directory snapshot 2\n"

const maxInACL = 1 << 24 // far more than fit into a message

// Errors of the cache.
var (
	ErrCache       = errors.New("the snapshot on disk is damaged")
	errOtherFile   = errors.New("not a snapshot of this version")
	errOtherBucket = errors.New("it is that of another bucket")
	errUnread      = errors.New("the entry could not be read when the snapshot was written")
)

// cacheHead says what a cache holds.
type cacheHead struct {
	_        struct{} `cbor:",toarray"`
	Bucket   string
	Made     time.Time // when the bucket was made
	Revision uint64
	Written  time.Time // when the entry at this revision was
	Checked  time.Time // when the bucket held nothing newer
	Entries  int
	Faulty   bool // there was something that could not be read, or did not fit
}

// cacheKey goes before each value.
type cacheKey struct {
	_        struct{} `cbor:",toarray"`
	Kind     directory.Kind
	Project  []byte
	User     []byte
	Name     string
	Revision uint64
	Bad      bool // could not be read, and has no value here
}

// cacheCharge is one of the charges, which come behind the entries: how many there
// are, then these.
type cacheCharge struct {
	_       struct{} `cbor:",toarray"`
	Key     []byte
	Project []byte
	Size    uint32
	Ends    int64
}

// restore puts the cached snapshot into use, if there is a good one.
func (s *Store) restore() {
	if s.cfg.Cache == "" {
		return
	}
	start := s.cfg.Now()
	st, kept, checked, err := s.readCache()
	path := slog.String("file", s.cfg.Cache)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.known = !errors.Is(err, errOtherBucket)
		s.cfg.Log.Error("the snapshot on disk cannot be used, and the directory is waited for", path, slog.String("error", err.Error()))
		return
	}
	st.at = s.cfg.Now()
	if st.reread {
		for e := range st.snapshot.Entries() {
			if _, bad := e.Value.(*directory.Unreadable); bad {
				s.faults.add(e.Key.String(), e.Revision, errUnread.Error())
			}
		}
	}
	s.charges.Store(kept)
	s.current.Store(st)
	s.checked.Store(checked.UnixNano())
	s.saved.Store(st)
	s.savedAt.Store(checked.UnixNano())
	size := st.snapshot.Size()
	s.cfg.Log.Info("directory loaded from the snapshot on disk", path, slog.Duration("age", start.Sub(checked)),
		slog.Uint64("revision", st.revision), slog.Int("users", size.Users), slog.Int("projects", size.Projects))
	s.loading(uint64(size.Users + size.Keys)) //nolint:gosec // counts
}

// readCache reads all of the cache before any of it is used.
func (s *Store) readCache() (_ *state, _ *charges, checked time.Time, err error) {
	f, info, err := ownedfile.Open(s.cfg.Cache, ownedfile.Rule{NoGroupWrite: true}) // it says who gets in
	if err != nil {
		return nil, nil, checked, fmt.Errorf("read: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	size := info.Size() - sha256.Size
	if size < int64(len(cacheMagic)) {
		return nil, nil, checked, ErrCache
	}
	sum := sha256.New()
	body := bufio.NewReaderSize(io.TeeReader(io.LimitReader(f, size), sum), 1<<20)
	magic := make([]byte, len(cacheMagic))
	if _, err := io.ReadFull(body, magic); err != nil || string(magic) != cacheMagic {
		return nil, nil, checked, errOtherFile
	}
	c, err := decodeCache(body)
	if err != nil {
		return nil, nil, checked, err
	}
	head := &c.head
	if head.Bucket != s.cfg.Bucket {
		return nil, nil, checked, fmt.Errorf("%w, %q", errOtherBucket, head.Bucket)
	}
	if int64(len(cacheMagic)+c.read) != size || !sumFits(f, body, sum) {
		return nil, nil, checked, ErrCache
	}
	s.faults.problems(head.Revision, c.problems)
	st := &state{snapshot: c.snapshot, revision: head.Revision, written: head.Written, bucket: head.Made, reread: head.Faulty}
	return st, c.charges, head.Checked, nil
}

// sumFits reads what is left of the body, which should be nothing, and compares.
func sumFits(f io.Reader, body io.Reader, sum hash.Hash) bool {
	rest, err := io.Copy(io.Discard, body)
	want := make([]byte, sha256.Size)
	if _, readErr := io.ReadFull(f, want); err != nil || rest != 0 || readErr != nil {
		return false
	}
	return bytes.Equal(want, sum.Sum(nil))
}

// cacheBody is what decodeCache has found.
type cacheBody struct {
	head     cacheHead
	snapshot *snapshot.Snapshot
	problems directory.Problems
	charges  *charges
	read     int // bytes
}

// decodeCache decodes entries in one goroutine and indexes them in another.
func decodeCache(r io.Reader) (*cacheBody, error) {
	mode, err := cbor.DecOptions{MaxArrayElements: maxInACL}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	d, c := mode.NewDecoder(r), &cacheBody{}
	if err := d.Decode(&c.head); err != nil || c.head.Entries < 0 {
		return nil, ErrCache
	}
	const block = 1024
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
		c.snapshot, c.problems = b.Snapshot()
	}()
	for left := c.head.Entries; left > 0 && err == nil; left -= block {
		entries := make([]directory.Entry, min(left, block))
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
		c.charges, err = decodeCharges(d)
	}
	c.read = d.NumBytesRead()
	return c, err
}

func decodeCharges(d *cbor.Decoder) (*charges, error) {
	c, left := newCharges(), 0
	if err := d.Decode(&left); err != nil {
		return nil, ErrCache
	}
	for ; left > 0; left-- {
		var one cacheCharge
		if err := d.Decode(&one); err != nil || len(one.Key) != len(chargeKey{}) {
			return nil, ErrCache
		}
		project, err := idOf(one.Project)
		if err != nil || project == uuid.Nil {
			return nil, ErrCache
		}
		c.put(chargeKey(one.Key), charge{project: project, size: one.Size, ends: one.Ends})
	}
	return c, nil
}

func encodeCharges(e *cbor.Encoder, all map[chargeKey]charge) error {
	if err := e.Encode(len(all)); err != nil {
		return err
	}
	for k, one := range all {
		if err := e.Encode(cacheCharge{Key: k[:], Project: one.project[:], Size: one.size, Ends: one.ends}); err != nil {
			return err
		}
	}
	return nil
}

func decodeEntry(d *cbor.Decoder) (e directory.Entry, err error) {
	var k cacheKey
	if err := d.Decode(&k); err != nil {
		return e, ErrCache
	}
	e.Key, e.Revision = directory.EntryKey{Kind: k.Kind, Name: k.Name}, k.Revision
	if e.Key.Project, err = idOf(k.Project); err != nil {
		return e, ErrCache
	}
	if e.Key.User, err = idOf(k.User); err != nil {
		return e, ErrCache
	}
	if e.Value = directory.NewValue(k.Kind); e.Value == nil {
		return e, ErrCache
	}
	if k.Bad {
		e.Value = &directory.Unreadable{}
		return e, nil
	}
	if d.Decode(e.Value) != nil || e.Check() != nil {
		return e, ErrCache
	}
	return e, nil
}

func idOf(b []byte) (uuid.UUID, error) {
	if len(b) == 0 {
		return uuid.Nil, nil
	}
	return uuid.FromBytes(b)
}

func bytesOf(id *uuid.UUID) []byte {
	if *id == uuid.Nil {
		return nil
	}
	return id[:]
}

// writeCache writes the state to the cache, in place of what is there.
func (s *Store) writeCache(st *state, checked time.Time) error {
	head := cacheHead{Bucket: s.cfg.Bucket, Made: st.bucket, Revision: st.revision, Written: st.written, Checked: checked, Faulty: s.faults.some()}
	for range st.snapshot.Entries() {
		head.Entries++
	}
	return atomicfile.Stream(s.cfg.Cache, 0o600, func(w io.Writer) error {
		sum := sha256.New()
		body := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
		if _, err := body.WriteString(cacheMagic); err != nil {
			return err
		}
		mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
		if err != nil {
			return err
		}
		e := mode.NewEncoder(body)
		if err := e.Encode(head); err != nil {
			return err
		}
		for entry := range st.snapshot.Entries() {
			k := cacheKey{
				Kind: entry.Key.Kind, Project: bytesOf(&entry.Key.Project), User: bytesOf(&entry.Key.User),
				Name: entry.Key.Name, Revision: entry.Revision,
			}
			_, k.Bad = entry.Value.(*directory.Unreadable)
			if err := e.Encode(k); err != nil {
				return err
			}
			if k.Bad {
				continue
			}
			if err := e.Encode(entry.Value); err != nil {
				return err
			}
		}
		if err := encodeCharges(e, s.charges.Load().each()); err != nil {
			return err
		}
		if err := body.Flush(); err != nil {
			return err
		}
		_, err = w.Write(sum.Sum(nil))
		return err
	})
}
