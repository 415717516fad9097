// Package diskcache keeps the last good snapshot of a bucket in a file, so that a
// replica which starts while JetStream has no quorum can still decide requests.
//
// It promises that a file is read as a whole or not at all: a checksum covers all of
// it, and a file that other users can write to is refused. A new file replaces the old
// one atomically. It never contacts NATS, and it contains digests but no API keys.
package diskcache
