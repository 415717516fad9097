package auditstream

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/internal/audit/chain"
)

const (
	ackWait   = 5 * time.Second
	firstWait = 100 * time.Millisecond // before the second attempt
	maxWait   = 2 * time.Second
)

// KindDecision is the last token of the subject of lines that name no kind.
const KindDecision = "decision"

// run sends until everything is stored after Close, or until ctx ends.
func (w *Writer) run(ctx context.Context) {
	defer close(w.done)
	defer context.AfterFunc(ctx, func() { // wakes next
		w.mu.Lock()
		w.changed.Broadcast()
		w.mu.Unlock()
	})()
	ready := false
	wait := time.Duration(0)
	for {
		batch, spooled, err := w.next(ctx)
		if len(batch) == 0 && err == nil {
			return
		}
		if err == nil && !ready {
			err = w.open(ctx)
		}
		stored := 0
		if err == nil {
			ready = true
			stored, err = w.send(ctx, batch)
		}
		w.stored(stored, spooled)
		if err == nil {
			w.failed.ended()
			wait = 0
			continue
		}
		ready = false
		if ctx.Err() != nil {
			return
		}
		w.failed.add(err, w.Waiting())
		wait = min(max(2*wait, firstWait), maxWait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// next waits for lines and returns the first ones; none: there will be no more. spooled: they
// are those of the spool file.
func (w *Writer) next(ctx context.Context) (batch [][]byte, spooled bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.lines) == 0 && w.spool.empty() && !w.closing && ctx.Err() == nil {
		w.changed.Wait()
	}
	if ctx.Err() != nil {
		return nil, false, nil
	}
	if len(w.lines) == 0 {
		batch, err = w.spool.read()
		return batch, true, err
	}
	size := 0
	for i, line := range w.lines {
		if size += len(line); i >= batchLines || i > 0 && size > batchBytes {
			break
		}
		batch = append(batch, line)
	}
	return batch, false, nil
}

// stored forgets the first n lines.
func (w *Writer) stored(n int, spooled bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if spooled {
		if err := w.spool.drop(n); err != nil {
			w.cfg.Log.Error("cannot empty the spool file of the audit", slog.String("error", err.Error()))
		}
	} else {
		for _, line := range w.lines[:n] {
			w.bytes -= len(line)
		}
		clear(w.lines[:n])
		w.lines = w.lines[n:]
	}
	w.changed.Broadcast()
}

// send publishes a batch, and returns how many lines from its beginning are stored. Those behind
// a line that failed are sent again; JetStream drops what it has.
func (w *Writer) send(ctx context.Context, batch [][]byte) (stored int, err error) {
	var futures []jetstream.PubAckFuture
	for _, line := range batch {
		link, _ := chain.Read(line)
		m := nats.NewMsg(w.cfg.Subject + "." + cmp.Or(link.Kind, KindDecision))
		m.Data = line
		var f jetstream.PubAckFuture
		f, err = w.js.PublishMsgAsync(m, jetstream.WithMsgID(link.ID()), jetstream.WithExpectStream(w.cfg.Stream), jetstream.WithRetryAttempts(1))
		if errors.Is(err, nats.ErrMaxPayload) { // the servers have become stricter since Write
			w.tooLarge(len(line))
			f, err = nil, nil
		}
		if err != nil {
			break
		}
		futures = append(futures, f)
	}
	whole := err == nil
	for i, f := range futures {
		if f == nil {
			if i == stored {
				stored++
			}
			continue
		}
		select {
		case <-f.Ok():
			if i == stored {
				stored++
			}
		case e := <-f.Err():
			whole = false
			err = cmp.Or(err, e)
		case <-ctx.Done():
			return stored, ctx.Err()
		}
	}
	if whole {
		return stored, nil
	}
	return stored, err
}

func (w *Writer) tooLarge(size int) {
	w.mu.Lock()
	w.lost++
	w.mu.Unlock()
	w.cfg.Log.Error("an audit event is lost: it is larger than max_payload of the servers", slog.Int("bytes", size))
}

// duplicates is how long JetStream knows the id of a line. An attempt whose acknowledgement was
// lost is repeated well within that time after JetStream is back.
const duplicates = 10 * time.Minute

// open looks for the stream, and makes it if there is none.
func (w *Writer) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	_, err := w.js.Stream(ctx, w.cfg.Stream)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	unlimited := func(n int64) int64 {
		if n == 0 {
			return -1
		}
		return n
	}
	_, err = w.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: w.cfg.Stream, Description: "usher's audit", Subjects: []string{w.cfg.Subject + ".>"},
		Storage: jetstream.FileStorage, Replicas: max(1, w.cfg.Replicas), Discard: jetstream.DiscardOld,
		MaxAge: w.cfg.MaxAge, MaxBytes: unlimited(w.cfg.MaxBytes), MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1,
		Duplicates: duplicates, AllowDirect: true, DenyDelete: true, DenyPurge: true,
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another usher has made it
		return nil
	}
	if err == nil {
		w.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "made the stream of the audit", slog.String("stream", w.cfg.Stream), slog.String("subjects", w.cfg.Subject+".>"))
	}
	return err
}
