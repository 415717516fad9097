package quota

import (
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Usage is how much a bucket holds.
type Usage struct {
	Messages uint64 // entries and delete markers
	Bytes    int64
	Limit    int64 // max_bytes of the stream; 0: none

	RefusedFull  uint64 // changes refused with kv.ErrFull since the start
	RefusedShare uint64 // changes refused with kv.ErrShare since the start
}

// UsageOf returns the usage that a server reports for a bucket.
func UsageOf(info *jetstream.StreamInfo) Usage {
	return Usage{
		Messages: info.State.Msgs, Bytes: int64(info.State.Bytes), //nolint:gosec // it fits on a disk
		Limit: max(info.Config.MaxBytes, 0),
	}
}

// Near reports whether the bucket only accepts changes that do not make it larger.
func (u *Usage) Near() bool { return u.Limit > 0 && u.Bytes > u.GrowthLimit() }

// GrowthLimit returns the number of bytes up to which a bucket may grow. The last
// fifth is kept for removals: a delete marker can be longer than the entry that it
// replaces, and a cluster needs space for the marker before it removes the entry.
func (u *Usage) GrowthLimit() int64 { return u.Limit / 5 * 4 }

// Meter tracks the usage of a bucket: what the server has reported last, and the bytes
// of all messages since then. The zero value is ready to use, and its methods are safe
// for concurrent use.
type Meter struct {
	reported                  atomic.Pointer[Usage]
	received                  atomic.Int64 // bytes since the report
	refusedFull, refusedShare atomic.Uint64
}

// Received returns the bytes that were received since the last report. Pass the value
// from before a report was requested to Report.
func (m *Meter) Received() int64 { return m.received.Load() }

// Add counts the bytes of a message that was received.
func (m *Meter) Add(size int64) { m.received.Add(size) }

// Report stores what the server reports. receivedBefore is the value of Received from
// before the report was requested.
func (m *Meter) Report(info *jetstream.StreamInfo, receivedBefore int64) {
	usage := UsageOf(info)
	m.reported.Store(&usage)
	m.received.Add(-receivedBefore)
}

// RefusedFull counts a change that was refused because the bucket is nearly full.
func (m *Meter) RefusedFull() { m.refusedFull.Add(1) }

// RefusedShare counts a change that was refused because of the project's share.
func (m *Meter) RefusedShare() { m.refusedShare.Add(1) }

// Usage returns the current usage.
func (m *Meter) Usage() Usage {
	var usage Usage
	if reported := m.reported.Load(); reported != nil {
		usage = *reported
	}
	usage.Bytes += m.received.Load()
	usage.RefusedFull, usage.RefusedShare = m.refusedFull.Load(), m.refusedShare.Load()
	return usage
}

// Overflows reports whether the bucket has no space for messages of this size.
func (m *Meter) Overflows(size int64) bool {
	usage := m.Usage()
	return usage.Limit > 0 && usage.Bytes+size > usage.Limit
}

// TotalSize returns the sum of MessageSize.
func TotalSize(messages []*nats.Msg) (size int64) {
	for _, m := range messages {
		size += MessageSize(m.Subject, m.Header, m.Data)
	}
	return size
}

// MessageSize returns the number of bytes that a message takes in a bucket with file
// storage, as nats-server counts them.
func MessageSize(subject string, header nats.Header, data []byte) int64 {
	const record, headerLength, version, line = 30, 4, len("NATS/1.0\r\n\r\n"), len(": \r\n")
	n := record + len(subject) + len(data)
	if len(header) > 0 {
		n += headerLength + version
	}
	for name, values := range header {
		for _, value := range values {
			n += len(name) + len(value) + line
		}
	}
	return int64(n)
}
