package push

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of acknowledgements: those that wait, those in one call, how long the first of a call
// waits for more, and how often one is tried. A call of the servers for each message would cost
// a good part of its push.
const (
	waitingAcks = 256
	ackBatch    = 256
	ackPause    = 5 * time.Millisecond
	ackAttempts = 25
)

// acknowledger acknowledges messages that were taken, while the next are pushed.
type acknowledger struct {
	loop    *loop
	taken   chan Message
	stopped sync.WaitGroup
	started bool
}

// add acknowledges messages soon. It waits if many are to be acknowledged.
func (a *acknowledger) add(messages []Message) {
	if !a.started {
		a.started = true
		a.taken = make(chan Message, waitingAcks)
		a.stopped.Go(a.run)
	}
	for i := range messages {
		a.taken <- messages[i]
	}
}

// wait returns once everything was acknowledged, or could not be.
func (a *acknowledger) wait() {
	if a.started {
		close(a.taken)
		a.stopped.Wait()
	}
}

func (a *acknowledger) run() {
	for m := range a.taken {
		batch := []Message{m}
		pause := time.NewTimer(ackPause)
	more:
		for len(batch) < ackBatch {
			select {
			case m, ok := <-a.taken:
				if !ok {
					break more
				}
				batch = append(batch, m)
			case <-pause.C:
				break more
			}
		}
		pause.Stop()
		a.acknowledge(batch)
	}
}

func (a *acknowledger) acknowledge(batch []Message) {
	l := a.loop
	for attempt := 1; ; attempt++ {
		// At the end of the loop it takes less patience: whoever waits may hold up others.
		ctx, cancel := context.WithTimeout(context.Background(), acknowledging)
		stop := context.AfterFunc(l.hard, func() { time.AfterFunc(giveBack, cancel) })
		err := l.sub.Source.Acknowledge(ctx, batch)
		stop()
		cancel()
		if err == nil {
			return
		}
		l.w.cfg.Metrics.ackFailed()
		if attempt == ackAttempts || l.hard.Err() != nil {
			l.w.log.add(slog.LevelWarn, "cannot acknowledge messages that an endpoint has taken; they may be pushed again",
				slog.String("project", l.sub.Project), slog.String("subscription", l.sub.Name), slog.Int("messages", len(batch)), slog.String("error", err.Error()))
			return
		}
		l.pause(sourceRetry)
	}
}
