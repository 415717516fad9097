package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"usher/internal/plural"
	"usher/internal/shellword"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	// pingSubject is where every service connection of usher answers (ADR-32).
	pingSubject = "$SRV.PING.usher"
	pingCollect = 300 * time.Millisecond // how long answers are collected
	serviceWait = 2 * time.Second        // for a usher that has just been started
	pingAgain   = 100 * time.Millisecond
)

// services counts who answers for usher in the callout account. Connections of
// one usher and those of another look alike.
func (s *serverCheck) services(ctx context.Context, nc *nats.Conn) {
	before := nc.LastError()
	n, err := awaited(ctx, nc)
	if last := nc.LastError(); err == nil && last != before && errors.Is(last, nats.ErrPermissionViolation) { //nolint:errorlint // the very same error, not one like it
		err = last
	}
	switch {
	case err != nil:
		s.Warn("service", s.url, "the service user must be allowed to publish to $SRV.>, and to subscribe to _INBOX.>", "cannot ask which ushers run: %v", err)
	case n == 0:
		s.Warn("service", s.url, "usher serve -c "+shellword.Quote(s.path), "no usher answers")
	default:
		s.OK("service", s.url, "%s of usher in %s; each usher with this configuration opens %d",
			plural.Count(n, "connection"), s.cfg.Accounts.Callout, s.cfg.NATS.Connections)
	}
}

// awaited returns how many service connections there are, and waits for the first
// for a while.
func awaited(ctx context.Context, nc *nats.Conn) (int, error) {
	waiting, stop := context.WithTimeout(ctx, serviceWait)
	defer stop()
	again := time.NewTicker(pingAgain)
	defer again.Stop()
	for {
		n, err := pinged(ctx, nc)
		if n > 0 || err != nil || nc.LastError() != nil {
			return n, err
		}
		select {
		case <-again.C:
		case <-waiting.Done():
			return 0, ctx.Err()
		}
	}
}

// pinged returns how many service connections answer a ping.
func pinged(ctx context.Context, nc *nats.Conn) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, pingCollect)
	defer cancel()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return 0, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if err := nc.PublishRequest(pingSubject, inbox, nil); err != nil {
		return 0, err
	}
	ids := map[string]bool{}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrNoResponders), errors.Is(err, context.DeadlineExceeded):
			return len(ids), nil
		case err != nil:
			return 0, err
		}
		var pong micro.Ping
		if json.Unmarshal(m.Data, &pong) == nil && pong.Type == micro.PingResponseType {
			ids[pong.ID] = true
		}
	}
}
