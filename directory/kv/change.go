package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"usher/directory"
	"usher/directory/snapshot"
)

// ErrUnavailable: the bucket cannot be reached, or does not take changes. The
// change was made as a whole or not at all, and it is not known which.
var ErrUnavailable = errors.New("the directory cannot be changed now")

// errMoved: somebody else was faster.
var errMoved = errors.New("the directory has changed")

const (
	publishLimit = time.Second      // for one answer of the server; what was sent twice is made once
	commitLimit  = 15 * time.Second // until the server takes a change: a new leader is found in less
	changeLimit  = 30 * time.Second // for a change, however many others there are
)

// Change makes the change that f returns for the directory as it is. It is
// checked by all rules; the error is directory.Problems then. It is made only on
// the directory that f has seen: if that has changed meanwhile, f is called
// again. Up to directory.MaxChange entries are changed at once; of more, the
// first that many, then the others. An error of f is returned as it is, and
// nothing has changed. What is refused is refused by the directory of now: f is
// called again if somebody else's change had not come here yet.
//
// The snapshot returned has the change in it, and is in use here; replicas follow.
func (s *Store) Change(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	ctx, done := context.WithTimeout(ctx, changeLimit)
	defer done()
	c := &contender{s: s, by: authorOf(ctx)}
	if err := c.enter(ctx); err != nil {
		return nil, err
	}
	defer c.leave()
	for {
		st := s.current.Load()
		if st == nil {
			return nil, fmt.Errorf("%w: nothing is loaded yet", ErrUnavailable)
		}
		if c.yield(ctx) {
			continue
		}
		entries, err := f(st.snapshot)
		c.by = authorOf(ctx)
		if err == nil {
			_, err = st.snapshot.Try(entries[:min(len(entries), directory.MaxChange)])
		}
		if err != nil {
			if s.caughtUp(ctx, st) {
				continue
			}
			return nil, err
		}
		next, err := s.make(ctx, c, st, entries)
		if errors.Is(err, errMoved) {
			if _, err := c.beaten(ctx, st); err != nil {
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

// caughtUp reports whether the bucket was ahead of st, and has come here now.
func (s *Store) caughtUp(ctx context.Context, st *state) bool {
	ctx, done := context.WithTimeout(ctx, publishLimit)
	defer done()
	stream, err := s.js.Stream(ctx, streamName(s.cfg.Bucket))
	if err != nil {
		return false
	}
	info := stream.CachedInfo()
	if !info.Created.Equal(st.bucket) || info.State.LastSeq <= st.revision {
		return false
	}
	_, err = s.reached(ctx, st, info.State.LastSeq)
	return err == nil
}

// make makes a change, whose first part was checked, in as many parts as it takes.
// Once that is made, the others are checked against what is there then, and what somebody else has
// changed meanwhile stays as that is: f has not seen it.
func (s *Store) make(ctx context.Context, c *contender, st *state, entries []directory.Entry) (*state, error) {
	seen := st.snapshot
	for first := true; len(entries) > 0; {
		if !first {
			var err error
			if st, err = s.between(ctx, c, st); err != nil {
				return nil, err
			}
			entries = slices.DeleteFunc(entries, func(e directory.Entry) bool { return st.snapshot.Revision(e.Key) != seen.Revision(e.Key) })
		}
		part := entries[:min(len(entries), directory.MaxChange)]
		if len(part) == 0 {
			break
		}
		if !first {
			if _, err := st.snapshot.Try(part); err != nil {
				return nil, err
			}
		}
		revision, err := s.commit(ctx, c, st, part)
		switch {
		case errors.Is(err, errMoved) && !first:
			if st, err = c.beaten(ctx, st); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err
		}
		c.made()
		if st, err = s.reached(ctx, st, revision); err != nil {
			return nil, err
		}
		entries, first = entries[len(part):], false
	}
	return st, nil
}

// between lets others make their changes between two parts of one, and returns the
// state with them. It makes no difference whether they are made here or elsewhere.
func (s *Store) between(ctx context.Context, c *contender, st *state) (*state, error) {
	if err := c.pass(ctx); err != nil {
		return nil, err
	}
	for {
		next, err := s.reached(ctx, st, st.revision)
		if err != nil {
			return nil, err
		}
		if st = next; !c.yield(ctx) {
			return st, nil
		}
	}
}

// commit writes entries at once if the bucket is as in st. If it does not hear
// what became of that, it sends them again: only one can be taken.
func (s *Store) commit(ctx context.Context, c *contender, st *state, entries []directory.Entry) (uint64, error) {
	id, at, n := nuid.Next(), st.revision, uint64(len(entries))
	messages, err := s.messages(id, at, c.by, entries)
	if err != nil {
		return 0, err
	}
	if err := s.room(c.by, st.snapshot, entries, messages); err != nil {
		return 0, err
	}
	if c.asked {
		messages[len(messages)-1].Header.Set(headerTurn, c.id)
	}
	ctx, done := context.WithTimeout(ctx, commitLimit)
	defer done()
	sending, known := context.WithCancel(ctx)
	defer known()
	s.waiting.add(id, &pending{at: at, n: n, known: known})
	defer s.waiting.remove(id)
	if s.waiting.fate(id) == fateLost {
		return 0, errMoved
	}
	for unheard := false; ; unheard = true {
		attempt, again := context.WithCancel(sending)
		s.waiting.sending(id, again)
		revision, err := s.publish(attempt, messages)
		again()
		if err == nil {
			return revision, nil
		}
		if errors.Is(err, errMoved) && unheard {
			if _, err := s.reached(ctx, st, at+1); err != nil {
				return 0, err
			}
		}
		switch s.waiting.fate(id) {
		case fateMade:
			return at + n, nil
		case fateLost:
			return 0, errMoved
		case fateUnknown:
		}
		switch {
		case errors.Is(err, errMoved) && !unheard:
			return 0, errMoved
		case errors.Is(err, errNotStored) && s.usage.exceeds(messages):
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		case errors.Is(err, errMoved):
			return 0, fmt.Errorf("%w: others have overwritten what it may have written", ErrUnavailable)
		case ctx.Err() != nil || errors.Is(err, errRefused) || errors.Is(err, nats.ErrConnectionClosed):
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		wait(sending, firstRetry, nil)
	}
}

// messages encodes entries as one atomic batch (ADR-50 of NATS), or as a single
// message if there is one.
func (s *Store) messages(id string, at uint64, by Author, entries []directory.Entry) ([]*nats.Msg, error) {
	messages := make([]*nats.Msg, len(entries))
	for i := range entries {
		e := &entries[i]
		m := nats.NewMsg(subjectOf(s.cfg.Bucket, e.Key.String()))
		m.Header.Set(headerChange, id)
		if by.Project != uuid.Nil {
			m.Header.Set(headerProject, by.Project.String())
		}
		if left := len(entries) - 1 - i; left > 0 {
			m.Header.Set(headerLeft, strconv.Itoa(left))
		}
		if e.Value == nil {
			m.Header.Set(headerOperation, "DEL")
			m.Header.Set(headerLife, MarkerLife.String())
		} else {
			var err error
			if m.Data, err = encode(e.Value); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			m.Header.Set("Nats-Expected-Last-Sequence", strconv.FormatUint(at, 10))
		}
		const headers = 1024 // more than there are
		if size, most := int64(len(m.Data))+headers, s.cfg.Conn.MaxPayload(); most > 0 && size > most {
			return nil, directory.Problems{{
				Path: e.Key.String(), Message: fmt.Sprintf("takes %d bytes, and the NATS server takes messages of %d", size, most),
				Hint: "raise max_payload of the servers",
			}}
		}
		messages[i] = m
	}
	return messages, nil
}

// errRefused: the server does not take the message, and would not next time.
var errRefused = errors.New("refused by the server")

// errNotStored: the server has taken the message, and could not keep it: the disk or
// the bucket is full, for instance.
var errNotStored = errors.New("not stored by the server")

// errAway is what the client library calls a full buffer, since none is kept for
// what is said while it is not connected.
var errAway = errors.New("not connected to NATS")

func plain(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errAway
	}
	return err
}

// publish sends messages, and returns the revision of the last of them.
func (s *Store) publish(ctx context.Context, messages []*nats.Msg) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	last := messages[len(messages)-1]
	if len(messages) > 1 {
		batch := nuid.Next()
		for i, m := range messages {
			m.Header.Set(headerBatch, batch)
			m.Header.Set(headerNumber, strconv.Itoa(i+1))
		}
		last.Header.Set(headerComplete, "1")
		for _, m := range messages[:len(messages)-1] {
			if err := s.cfg.Conn.PublishMsg(m); err != nil {
				return 0, plain(err)
			}
		}
	}
	ctx, done := context.WithTimeout(ctx, publishLimit)
	defer done()
	answer, err := s.cfg.Conn.RequestMsgWithContext(ctx, last)
	if err != nil {
		return 0, plain(err)
	}
	return taken(answer)
}

// taken returns the revision of what the server has taken, as it says.
func taken(answer *nats.Msg) (uint64, error) {
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
	const wrongLastSequence, wrongLastSequenceConstant, incomplete, tooMany, notStored, server = 10071, 10164, 10176, 10210, 10077, 500
	switch e := ack.Error; {
	case e.ErrCode == wrongLastSequence || e.ErrCode == wrongLastSequenceConstant:
		return 0, errMoved
	case e.ErrCode == notStored:
		return 0, fmt.Errorf("%w: %s", errNotStored, e.Description)
	case e.Code >= server || e.ErrCode == incomplete || e.ErrCode == tooMany:
		return 0, errors.New(e.Description)
	default:
		return 0, fmt.Errorf("%w: %s", errRefused, e.Description)
	}
}
