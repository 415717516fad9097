package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"usher/directory"
)

// ErrUnavailable: the bucket cannot be reached, or does not take changes. The
// change was made as a whole or not at all, and it is not known which.
var ErrUnavailable = errors.New("the directory cannot be changed now")

// errMoved: somebody else was faster.
var errMoved = errors.New("the directory has changed")

const (
	publishLimit = 5 * time.Second  // for one answer of the server
	changeLimit  = 30 * time.Second // for a change, whoever asks
)

// Change makes the change that f returns for the directory as it is. It is
// checked by all rules; the error is directory.Problems then. It is made only on
// the directory that f has seen: if that has changed meanwhile, f is called
// again. Up to directory.MaxChange entries are changed at once; of more, the
// first that many, then the others. An error of f is returned as it is, and
// nothing has changed.
//
// The snapshot returned has the change in it, and is in use here; replicas follow.
func (s *Store) Change(ctx context.Context, f func(*directory.Snapshot) ([]directory.Entry, error)) (*directory.Snapshot, error) {
	ctx, done := context.WithTimeout(ctx, changeLimit)
	defer done()
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
	for {
		st := s.current.Load()
		if st == nil {
			return nil, fmt.Errorf("%w: nothing is loaded yet", ErrUnavailable)
		}
		entries, err := f(st.snapshot)
		if err != nil {
			return nil, err
		}
		next, err := s.make(ctx, st, entries)
		if errors.Is(err, errMoved) {
			if _, err := s.reached(ctx, st.revision+1); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		return next.snapshot, nil
	}
}

// make makes a change in as many parts as it takes. Once the first is made, the
// others are checked against what is there then.
func (s *Store) make(ctx context.Context, st *state, entries []directory.Entry) (*state, error) {
	for first := true; len(entries) > 0; {
		part := entries[:min(len(entries), directory.MaxChange)]
		if _, err := st.snapshot.Try(part); err != nil {
			return nil, err
		}
		revision, err := s.commit(ctx, st.revision, part)
		switch {
		case errors.Is(err, errMoved) && !first:
			if st, err = s.reached(ctx, st.revision+1); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		if st, err = s.reached(ctx, revision); err != nil {
			return nil, err
		}
		entries, first = entries[len(part):], false
	}
	return st, nil
}

// commit writes entries at once if the bucket is at the revision given. If it
// does not hear what became of that, it tries again: the second attempt fails if
// the first has not, and the change is seen to come.
func (s *Store) commit(ctx context.Context, at uint64, entries []directory.Entry) (uint64, error) {
	id := nuid.Next()
	s.expect(id)
	defer s.settle(id)
	messages, err := s.messages(id, at, entries)
	if err != nil {
		return 0, err
	}
	var failed error
	for {
		revision, err := s.publish(ctx, messages)
		switch {
		case err == nil:
			return revision, nil
		case errors.Is(err, errMoved):
			if failed == nil {
				return 0, errMoved
			}
			if _, err := s.reached(ctx, at+1); err != nil {
				return 0, err
			}
			if revision := s.seen(id); revision != 0 {
				return revision, nil
			}
			return 0, errMoved
		case ctx.Err() != nil || errors.Is(err, errRefused):
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		failed = err
		if revision := s.seen(id); revision != 0 {
			return revision, nil
		}
		wait := time.NewTimer(firstRetry)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, failed)
		}
	}
}

// messages encodes entries as one atomic batch (ADR-50 of NATS), or as a single
// message if there is one.
func (s *Store) messages(id string, at uint64, entries []directory.Entry) ([]*nats.Msg, error) {
	messages := make([]*nats.Msg, len(entries))
	for i := range entries {
		e := &entries[i]
		m := nats.NewMsg(subjectOf(s.cfg.Bucket, e.Key.String()))
		m.Header.Set(headerChange, id)
		if e.Value == nil {
			m.Header.Set(headerOperation, "DEL")
			m.Header.Set("Nats-TTL", markerLife.String())
		} else {
			var err error
			if m.Data, err = encode(e.Value); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			m.Header.Set("Nats-Expected-Last-Sequence", strconv.FormatUint(at, 10))
		}
		messages[i] = m
	}
	return messages, nil
}

// errRefused: the server does not take the message, and would not next time.
var errRefused = errors.New("refused by the server")

// publish sends messages, and returns the revision of the last of them.
func (s *Store) publish(ctx context.Context, messages []*nats.Msg) (uint64, error) {
	last := messages[len(messages)-1]
	if len(messages) > 1 {
		batch := nuid.Next()
		for i, m := range messages {
			m.Header.Set("Nats-Batch-Id", batch)
			m.Header.Set("Nats-Batch-Sequence", strconv.Itoa(i+1))
		}
		last.Header.Set("Nats-Batch-Commit", "1")
		for _, m := range messages[:len(messages)-1] {
			if err := s.cfg.Conn.PublishMsg(m); err != nil {
				return 0, err
			}
		}
	}
	ctx, done := context.WithTimeout(ctx, publishLimit)
	defer done()
	answer, err := s.cfg.Conn.RequestMsgWithContext(ctx, last)
	if err != nil {
		return 0, err
	}
	var ack struct {
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Code        int    `json:"code"`
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w: an answer that is none", errRefused)
	}
	if ack.Error == nil {
		return ack.Sequence, nil
	}
	const wrongLastSequence, wrongLastSequenceConstant, incomplete, tooMany, server = 10071, 10164, 10176, 10210, 500
	switch e := ack.Error; {
	case e.ErrCode == wrongLastSequence || e.ErrCode == wrongLastSequenceConstant:
		return 0, errMoved
	case e.Code >= server || e.ErrCode == incomplete || e.ErrCode == tooMany:
		return 0, errors.New(e.Description)
	default:
		return 0, fmt.Errorf("%w: %s", errRefused, e.Description)
	}
}

func (s *Store) expect(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes[id] = 0
}

func (s *Store) settle(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.changes, id)
}

// seen returns the revision of the last entry of a change that has come.
func (s *Store) seen(id string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes[id]
}

// noteChanges remembers those that somebody here waits for.
func (s *Store) noteChanges(came map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, revision := range came {
		if _, ok := s.changes[id]; ok {
			s.changes[id] = revision
		}
	}
}
