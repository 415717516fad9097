package hashtable

import "hash/maphash"

// seed is random, so that a client cannot choose names that collide. There is one
// seed in a process, so that the same records give the same tables.
var seed = maphash.MakeSeed()

// HashString returns the hash of text. It differs from process to process.
func HashString(text string) uint64 { return maphash.String(seed, text) }

// HashBytes returns the hash of data. It differs from process to process.
func HashBytes(data []byte) uint64 { return maphash.Bytes(seed, data) }
