package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/hashtable"
)

func hashName(name string) uint64 { return hashtable.HashString(name) }

func hashDigest(d *directory.Digest) uint64 { return hashtable.HashBytes(d[:]) }

func hashID(id *uuid.UUID) uint64 { return hashtable.HashBytes(id[:]) }
