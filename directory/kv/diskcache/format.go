package diskcache

import (
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
)

// A file consists of magic, magicOther or magicBans, CBOR items and the SHA-256 of both. The items are a header;
// for each entry an entryKey and, unless it is unreadable, its value; the number of
// charges, and the charges.
const (
	magic = "usher directory snapshot 2\n"

	// magicOther begins a file with a key that is no API key. An older usher would ignore
	// what such a key has, and take it for an API key, whose text is public.
	magicOther = "usher directory snapshot 3\n"

	// magicBans begins a file with a ban, which an older usher cannot read.
	magicBans = "usher directory snapshot 4\n"
)

const maxACLLength = 1 << 24 // far more than fit into a message

var (
	// ErrDamaged: the snapshot on disk is damaged.
	ErrDamaged = errors.New("the snapshot on disk is damaged")
	// ErrOtherVersion: the file is not a snapshot of this version.
	ErrOtherVersion = errors.New("not a snapshot of this version")
	// ErrOtherBucket: the file is the snapshot of another bucket.
	ErrOtherBucket = errors.New("it is that of another bucket")
)

// Contents is what a file holds.
type Contents struct {
	Bucket   string
	Created  time.Time // when the bucket was created
	Revision uint64
	Written  time.Time // when the entry at Revision was written
	Checked  time.Time // when the bucket held nothing newer
	Faulty   bool      // an entry was unreadable or contradicted another one

	Snapshot *snapshot.Snapshot
	Charges  *quota.Charges

	Problems directory.Problems // of the entries; Write ignores them
}

type header struct {
	_        struct{} `cbor:",toarray"`
	Bucket   string
	Created  time.Time
	Revision uint64
	Written  time.Time
	Checked  time.Time
	Entries  int
	Faulty   bool
}

type entryKey struct {
	_          struct{} `cbor:",toarray"`
	Kind       directory.Kind
	Project    []byte
	User       []byte
	Name       string
	Revision   uint64
	Unreadable bool // no value follows
}

type charge struct {
	_       struct{} `cbor:",toarray"`
	Key     []byte
	Project []byte
	Size    uint32
	Expires int64
}

func encodeCharges(e *cbor.Encoder, all map[quota.Key]quota.Charge) error {
	if err := e.Encode(len(all)); err != nil {
		return err
	}
	for k, c := range all {
		if err := e.Encode(charge{Key: k[:], Project: c.Project[:], Size: c.Size, Expires: c.Expires}); err != nil {
			return err
		}
	}
	return nil
}

func decodeCharges(d *cbor.Decoder) (*quota.Charges, error) {
	charges, n := quota.NewCharges(), 0
	if err := d.Decode(&n); err != nil {
		return nil, ErrDamaged
	}
	for ; n > 0; n-- {
		var c charge
		if err := d.Decode(&c); err != nil || len(c.Key) != len(quota.Key{}) {
			return nil, ErrDamaged
		}
		project, err := decodeID(c.Project)
		if err != nil || project == uuid.Nil {
			return nil, ErrDamaged
		}
		charges.Restore(quota.Key(c.Key), quota.Charge{Project: project, Size: c.Size, Expires: c.Expires})
	}
	return charges, nil
}

func encodeEntry(e *cbor.Encoder, entry *directory.Entry) error {
	k := entryKey{
		Kind: entry.Key.Kind, Project: encodeID(&entry.Key.Project), User: encodeID(&entry.Key.User),
		Name: entry.Key.Name, Revision: entry.Revision,
	}
	_, k.Unreadable = entry.Value.(*directory.Unreadable)
	if err := e.Encode(k); err != nil || k.Unreadable {
		return err
	}
	return e.Encode(entry.Value)
}

func decodeEntry(d *cbor.Decoder) (e directory.Entry, err error) {
	var k entryKey
	if err := d.Decode(&k); err != nil {
		return e, ErrDamaged
	}
	e.Key, e.Revision = directory.EntryKey{Kind: k.Kind, Name: k.Name}, k.Revision
	if e.Key.Project, err = decodeID(k.Project); err != nil {
		return e, ErrDamaged
	}
	if e.Key.User, err = decodeID(k.User); err != nil {
		return e, ErrDamaged
	}
	if e.Value = directory.NewValue(k.Kind); e.Value == nil {
		return e, ErrDamaged
	}
	if k.Unreadable {
		e.Value = &directory.Unreadable{}
		return e, nil
	}
	if d.Decode(e.Value) != nil || e.Check() != nil {
		return e, ErrDamaged
	}
	return e, nil
}

func encodeID(id *uuid.UUID) []byte {
	if *id == uuid.Nil {
		return nil
	}
	return id[:]
}

func decodeID(b []byte) (uuid.UUID, error) {
	if len(b) == 0 {
		return uuid.Nil, nil
	}
	return uuid.FromBytes(b)
}
