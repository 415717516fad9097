package auditlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/internal/audit/chain"
)

// Source is where the audit is.
type Source interface {
	// Read calls each with every line that is there, without its line end, until it fails. since:
	// lines that were written before may be left out; zero: none may.
	Read(ctx context.Context, since time.Time, each func(line []byte, at chain.Place) error) error
	// Follow is Read of the last lines and then of every new one, until ctx ends.
	Follow(ctx context.Context, last int, each func(line []byte, at chain.Place) error) error
	// Shared reports whether several writers share the source.
	Shared() bool
}

// Files are files of the audit, the oldest first.
type Files []string

// Shared implements Source.
func (Files) Shared() bool { return false }

// Read implements Source. It reads everything.
func (f Files) Read(ctx context.Context, _ time.Time, each func([]byte, chain.Place) error) error {
	for _, path := range f {
		r, err := openLines(path)
		if err != nil {
			return err
		}
		err = r.rest(ctx, each, true)
		_ = r.file.Close() // read only
		if err != nil {
			return err
		}
	}
	return nil
}

// lines reads lines of one file.
type lines struct {
	path string
	file *os.File
	buf  *bufio.Reader
	part []byte // of a line that is not whole yet
	long bool   // it is longer than maxLine
	n    uint64
	read int64
}

func openLines(path string) (*lines, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	return &lines{path: path, file: f, buf: bufio.NewReaderSize(f, 256<<10)}, nil
}

// maxLine bounds a line in memory, as internal/audit does. No line of usher is longer.
const maxLine = 16 << 20

// rest reads what is there. final: a last line without line end is a line. Of a line that is
// too long it returns the beginning, which is no JSON.
func (l *lines) rest(ctx context.Context, each func([]byte, chain.Place) error, final bool) error {
	for ctx.Err() == nil {
		text, err := l.buf.ReadSlice('\n')
		l.read += int64(len(text))
		if len(l.part)+len(text) > maxLine {
			l.part, l.long = l.part[:min(len(l.part), 1)], true
		} else if !l.long {
			l.part = append(l.part, text...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		whole := err == nil
		if (whole || final) && len(l.part) > 0 {
			line := bytes.TrimSuffix(l.part, []byte("\n"))
			l.n++
			l.part, l.long = nil, false
			if err := each(line, chain.Place{Source: l.path, N: l.n}); err != nil {
				return err
			}
		}
		if !whole {
			return nil
		}
	}
	return ctx.Err()
}

// poll is how often a file is looked at.
const poll = 250 * time.Millisecond

// Follow implements Source, of the last file. It goes on in the new file after log rotation.
func (f Files) Follow(ctx context.Context, last int, each func([]byte, chain.Place) error) error {
	path := f[len(f)-1]
	l, err := openLines(path)
	if err != nil {
		return err
	}
	defer func() { _ = l.file.Close() }()
	type item struct {
		line []byte
		at   chain.Place
	}
	var kept []item
	err = l.rest(ctx, func(line []byte, at chain.Place) error {
		if kept = append(kept, item{line, at}); len(kept) > last {
			kept = kept[1:]
		}
		return nil
	}, false)
	for _, k := range kept {
		if err == nil {
			err = each(k.line, k.at)
		}
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err = l.rest(ctx, each, false); err != nil {
			break
		}
		there, statErr := os.Stat(path)
		mine, ownErr := l.file.Stat()
		if statErr != nil || ownErr == nil && os.SameFile(there, mine) && there.Size() >= l.read {
			continue
		}
		next, openErr := openLines(path)
		if openErr != nil {
			continue
		}
		_ = l.file.Close()
		l = next
	}
	return unlessEnded(ctx, err)
}

// unlessEnded returns err, or nil if ctx has ended: following ends so.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// Stream is the stream of the audit.
type Stream struct {
	Conn *nats.Conn
	Name string
}

// Shared implements Source.
func (*Stream) Shared() bool { return true }

// ErrNoStream: there is no stream of the audit.
var ErrNoStream = errors.New("there is no such stream")

// fetching bounds the wait for a message that the stream has.
const fetching = 10 * time.Second

func (s *Stream) open(ctx context.Context) (jetstream.Stream, uint64, error) {
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetching)
	defer cancel()
	stream, err := js.Stream(ctx, s.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, 0, fmt.Errorf("stream %s: %w", s.Name, ErrNoStream)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("stream %s: %w", s.Name, err)
	}
	return stream, stream.CachedInfo().State.LastSeq, nil
}

// slack is how much later than its time an event may be stored. One that waited longer, while
// JetStream was away, was stored later still, and so is behind it.
const slack = time.Second

// Read implements Source.
func (s *Stream) Read(ctx context.Context, since time.Time, each func([]byte, chain.Place) error) error {
	stream, end, err := s.open(ctx)
	if err != nil {
		return err
	}
	if end == 0 || stream.CachedInfo().State.Msgs == 0 {
		return nil
	}
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}
	if !since.IsZero() {
		at := since.Add(-slack)
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &at
	}
	return s.consume(ctx, stream, cfg, end, each)
}

// consume reads until the message with sequence end; 0: until ctx ends.
func (s *Stream) consume(ctx context.Context, stream jetstream.Stream, cfg jetstream.OrderedConsumerConfig, end uint64, each func([]byte, chain.Place) error) error {
	consumer, err := stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return err
	}
	if info, err := consumer.Info(ctx); end > 0 && err == nil && info.NumPending == 0 {
		return nil // nothing is that young
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if end > 0 {
			wait, cancel = context.WithTimeout(ctx, fetching)
		}
		m, err := messages.Next(jetstream.NextContext(wait))
		cancel()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := each(m.Data(), chain.Place{Source: s.Name, N: meta.Sequence.Stream}); err != nil {
			return err
		}
		if end > 0 && (meta.Sequence.Stream >= end || meta.NumPending == 0) {
			return nil
		}
	}
}

// Follow implements Source.
func (s *Stream) Follow(ctx context.Context, last int, each func([]byte, chain.Place) error) error {
	stream, end, err := s.open(ctx)
	if err != nil {
		return err
	}
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 1}
	if end > uint64(last) { //nolint:gosec // a small number
		cfg.OptStartSeq = end - uint64(last) + 1 //nolint:gosec // as above
	}
	err = s.consume(ctx, stream, cfg, 0, each)
	return unlessEnded(ctx, err)
}
