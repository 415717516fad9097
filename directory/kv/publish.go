package kv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"usher/directory"
	"usher/directory/kv/envelope"
)

// errRefused: the server refused the message, and would refuse it again.
var errRefused = errors.New("refused by the server")

// errNotStored: the server accepted the message and could not store it. The disk or the
// bucket may be full.
var errNotStored = errors.New("not stored by the server")

// errNotConnected replaces nats.ErrReconnectBufExceeded: the connection has no reconnect
// buffer, so the client library returns that error whenever it is not connected.
var errNotConnected = errors.New("not connected to NATS")

// connError replaces an error of the client library that would mislead in a log.
func connError(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return errNotConnected
	}
	return err
}

// messages encodes entries as one atomic batch (ADR-50 of NATS), or as a single message
// if there is one entry.
func (s *Store) messages(id string, base uint64, by Author, entries []directory.Entry) ([]*nats.Msg, error) {
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
			m.Header.Set(headerTTL, MarkerLife.String())
		} else {
			var err error
			if m.Data, err = envelope.Encode(e.Value); err != nil {
				return nil, err
			}
		}
		if i == 0 {
			m.Header.Set(headerExpectedLastSequence, strconv.FormatUint(base, 10))
		}
		const maxHeaders = 1024 // an upper bound
		if size, limit := int64(len(m.Data))+maxHeaders, s.cfg.Conn.MaxPayload(); limit > 0 && size > limit {
			return nil, directory.Problems{{
				Path: e.Key.String(), Message: fmt.Sprintf("takes %d bytes, and the NATS server accepts messages of %d", size, limit),
				Hint: "raise max_payload of the servers",
			}}
		}
		messages[i] = m
	}
	return messages, nil
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
			m.Header.Set(headerBatchSequence, strconv.Itoa(i+1))
		}
		last.Header.Set(headerBatchCommit, "1")
		for _, m := range messages[:len(messages)-1] {
			if err := s.cfg.Conn.PublishMsg(m); err != nil {
				return 0, connError(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	answer, err := s.cfg.Conn.RequestMsgWithContext(ctx, last)
	if err != nil {
		return 0, connError(err)
	}
	return ackRevision(answer)
}

// ackRevision returns the revision that the server acknowledges.
func ackRevision(answer *nats.Msg) (uint64, error) {
	var ack struct {
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Code        int    `json:"code"`
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, fmt.Errorf("%w: malformed acknowledgement", errRefused)
	}
	if ack.Error == nil {
		return ack.Sequence, nil
	}
	// From errors.json of nats-server.
	const wrongLastSequence, wrongLastSequenceConstant, batchIncomplete, tooManyBatches, storeFailed, serverError = 10071, 10164, 10176, 10210, 10077, 500
	switch e := ack.Error; {
	case e.ErrCode == wrongLastSequence || e.ErrCode == wrongLastSequenceConstant:
		return 0, errConflict
	case e.ErrCode == storeFailed:
		return 0, fmt.Errorf("%w: %s", errNotStored, e.Description)
	case e.Code >= serverError || e.ErrCode == batchIncomplete || e.ErrCode == tooManyBatches:
		return 0, errors.New(e.Description)
	default:
		return 0, fmt.Errorf("%w: %s", errRefused, e.Description)
	}
}
