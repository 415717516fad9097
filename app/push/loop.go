package push

import (
	"context"
	"log/slog"
	"net/url"
	"sync"
	"time"

	apipush "usher/api/push"
	"usher/internal/audit"
)

// Times of a loop.
const (
	defaultAckDeadline = 10 * time.Second
	sourceRetry        = time.Second // after messages could not be read
	currentAgain       = 100 * time.Millisecond
	logAgain           = time.Minute      // the same trouble of a subscription
	giveBack           = 5 * time.Second  // for giving messages back at the end
	acknowledging      = 3 * time.Second  // for one attempt: a server that has started again knows nothing of those before
	burying            = 10 * time.Second // for storing a dead letter
)

// loop pushes one subscription. Its messages are tried one request at a time, in order.
type loop struct {
	w      *Worker
	sub    Subscription
	target *url.URL
	policy policy
	state  state

	hard  context.Context //nolint:containedctx // ends pushes in progress
	soft  context.Context //nolint:containedctx // ends once the push in progress has
	stop  context.CancelFunc
	drain context.CancelFunc
	done  chan struct{}

	last     time.Time // end of the last push
	acks     acknowledger
	header   header
	retrying bool      // as the metric has it
	logged   time.Time // when trouble with the source was logged
	reported time.Time // when it was logged how pushes go
}

func (l *loop) run() {
	defer close(l.done)
	defer l.stop()
	cfg := &l.w.cfg
	cfg.Metrics.add(1, 0, 0)
	defer func() {
		l.countRetrying(false)
		cfg.Metrics.add(-1, 0, 0)
	}()
	l.last = cfg.Now()
	l.acks.loop = l
	defer l.acks.wait()
	if l.state.get().Status == apipush.StatusUnverified {
		<-l.soft.Done()
		return
	}
	for l.soft.Err() == nil {
		messages, err := l.sub.Source.Next(l.soft, batchSize(&l.sub.Push))
		if err != nil {
			if l.soft.Err() == nil {
				l.sourceFailed("cannot read the messages of a subscription to be pushed", err)
				l.blocked("the worker cannot read the messages: " + err.Error())
				l.pause(sourceRetry)
			}
			continue
		}
		l.unblocked()
		if len(messages) > 0 {
			l.deliver(messages)
		}
	}
}

// deliver pushes messages until they are taken or given up. At the end of the loop it gives
// them back.
func (l *loop) deliver(messages []Message) {
	keep := l.keep(messages)
	defer keep.stop()
	for attempt := uint64(1); len(messages) > 0; attempt++ {
		if !l.pause(l.policy.Delay()-l.w.cfg.Now().Sub(l.last)) || !l.waitCurrent() || !l.waitHeader() {
			l.giveBack(messages)
			return
		}
		if l.try(messages) {
			keep.stop()
			l.acks.add(messages)
			return
		}
		if l.hard.Err() != nil {
			l.giveBack(messages)
			return
		}
		if messages = l.bury(messages, attempt); len(messages) > 0 {
			keep.set(messages)
		}
	}
}

// waitCurrent waits until the configuration is in force, and reports whether the loop goes on.
// If it has changed, the loop ends soon.
func (l *loop) waitCurrent() bool {
	for l.sub.Current != nil && !l.sub.Current() {
		if !l.pause(currentAgain) {
			return false
		}
	}
	return true
}

// waitHeader waits until the header is known, and reports whether the loop goes on: without it
// nothing was tried, and nothing counts against a message.
func (l *loop) waitHeader() bool {
	for l.sub.sendsHeader() {
		ctx, cancel := context.WithTimeout(l.soft, l.w.cfg.Timeout)
		_, err := l.sub.Authorization(ctx)
		cancel()
		if err == nil {
			break
		}
		if l.soft.Err() != nil {
			return false
		}
		l.w.cfg.Metrics.pushed(OutcomeAuthorization, 0)
		l.trouble("cannot open the authorization header of a subscription to be pushed", err)
		l.blocked("the worker does not know the authorization header: " + err.Error())
		if !l.pause(sourceRetry) {
			return false
		}
	}
	l.unblocked()
	return true
}

func (l *loop) blocked(text string) {
	if l.state.blocked(text, l.w.cfg.Now()) {
		l.countRetrying(false)
		l.changed()
	}
}

func (l *loop) unblocked() {
	if l.state.unblocked(l.w.cfg.Now()) {
		l.changed()
	}
}

// changed tells that the status is another one.
func (l *loop) changed() {
	if l.w.cfg.OnStatus != nil {
		l.w.cfg.OnStatus(l.sub.ID)
	}
}

// countRetrying keeps the metric of subscriptions that are retried.
func (l *loop) countRetrying(retrying bool) {
	if retrying == l.retrying {
		return
	}
	l.retrying = retrying
	if retrying {
		l.w.cfg.Metrics.add(0, 1, 0)
	} else {
		l.w.cfg.Metrics.add(0, -1, 0)
	}
}

// try pushes messages once, and reports whether they were taken.
func (l *loop) try(messages []Message) bool {
	cfg := &l.w.cfg
	retry := l.state.get().Failures > 0
	if l.w.slots.Acquire(l.soft, l.sub.Project, l.target.Host, retry) != nil {
		l.stop()
		return false
	}
	cfg.Metrics.add(0, 0, 1)
	f := l.send(messages)
	cfg.Metrics.add(0, 0, -1)
	l.w.slots.Release(l.sub.Project, l.target.Host, retry)
	l.last = cfg.Now()
	if f != nil && l.hard.Err() != nil {
		return false // it was broken off
	}
	l.policy.Ended(f == nil)
	defer func() { l.countRetrying(l.state.get().Status == apipush.StatusRetrying) }()
	if f == nil {
		cfg.Metrics.pushed(OutcomeDelivered, len(messages))
		if failures := l.state.succeeded(len(messages), l.last); failures > 0 {
			l.report(audit.PushRecovered, "", failures)
		}
		return true
	}
	cfg.Metrics.pushed(f.outcome, 0)
	switch failures, changed := l.state.failed(f.text, l.last, l.last.Add(l.policy.Delay())); {
	case failures == 1:
		l.report(audit.PushFailing, f.text, 1)
	case changed && l.last.Sub(l.reported) >= logAgain:
		l.logPushes(slog.LevelWarn, "pushes of a subscription still fail, for another reason", f.text, failures)
	}
	return false
}

// report writes to log and audit that the pushes of a subscription begin or end to fail.
func (l *loop) report(code audit.PushCode, cause string, failures int) {
	level, text := slog.LevelWarn, "pushes of a subscription fail"
	if code == audit.PushRecovered {
		level, text = slog.LevelInfo, "pushes of a subscription succeed again"
	}
	l.logPushes(level, text, cause, failures)
	l.audit(code, cause, "", failures)
	l.changed()
}

// logPushes logs how pushes go; cause is empty if they succeed.
func (l *loop) logPushes(level slog.Level, text, cause string, failures int) {
	l.reported = l.last
	attrs := []slog.Attr{
		slog.String("project", l.sub.Project), slog.String("subscription", l.sub.Name),
		slog.String("host", l.target.Host), slog.Int("failures", failures),
	}
	if cause != "" {
		attrs = append(attrs, slog.String("error", cause))
	}
	l.w.log.add(level, text, attrs...)
}

func (l *loop) audit(code audit.PushCode, cause, message string, attempts int) {
	if l.w.cfg.Audit == nil {
		return
	}
	l.w.cfg.Audit.WritePush(audit.Push{
		Time: l.w.cfg.Now(), Code: code, Cause: cause, Host: l.target.Host, MessageID: message, Attempts: attempts,
		Resource: "/projects/" + l.sub.Project + "/subscriptions/" + l.sub.Name,
	})
}

// bury gives up the messages that were tried often enough, and returns the others. A message
// whose dead letter cannot be stored is kept.
func (l *loop) bury(messages []Message, attempts uint64) []Message {
	if l.w.cfg.MaxDeliveries == 0 || l.sub.Keep {
		return messages
	}
	var left []Message
	for i := range messages {
		m := messages[i]
		tried := max(m.Deliveries, 1) - 1 + attempts
		if tried < l.w.cfg.MaxDeliveries {
			left = append(left, m)
			continue
		}
		ctx, cancel := context.WithTimeout(l.hard, burying)
		dead := m
		dead.Deliveries = tried
		err := l.sub.Source.Bury(ctx, dead)
		cancel()
		l.w.cfg.Metrics.buried(err)
		if err != nil {
			l.sourceFailed("cannot store a dead letter; the message is kept", err)
			left = append(left, m)
			continue
		}
		l.audit(audit.PushDeadLetter, l.state.get().LastError, m.ID, int(tried)) //nolint:gosec // at most 2^31 attempts
		l.w.log.add(slog.LevelWarn, "gave up a message; it is a dead letter", slog.String("project", l.sub.Project),
			slog.String("subscription", l.sub.Name), slog.String("message", m.ID), slog.Uint64("deliveries", tried))
	}
	l.state.gaveUp(len(messages)-len(left), len(left) > 0, l.w.cfg.Now())
	if len(left) == 0 {
		l.countRetrying(false)
		l.changed()
	}
	return left
}

func (l *loop) giveBack(messages []Message) {
	ctx, cancel := context.WithTimeout(context.Background(), giveBack)
	defer cancel()
	_ = l.sub.Source.Return(ctx, messages) // else they come again after the deadline
}

// pause waits, and reports whether the loop goes on.
func (l *loop) pause(d time.Duration) bool {
	if l.soft.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.soft.Done():
		return false
	}
}

func (l *loop) sourceFailed(message string, err error) {
	l.w.cfg.Metrics.sourceFailed()
	l.trouble(message, err)
}

// trouble logs an error, not too often.
func (l *loop) trouble(message string, err error) {
	now := l.w.cfg.Now()
	if !l.logged.IsZero() && now.Sub(l.logged) < logAgain {
		return
	}
	l.logged = now
	l.w.log.add(slog.LevelWarn, message, slog.String("project", l.sub.Project),
		slog.String("subscription", l.sub.Name), slog.String("error", err.Error()))
}

// keeper extends messages while they are tried.
type keeper struct {
	mu       sync.Mutex
	messages []Message // nil: stopped
	timer    *time.Timer
}

// keep extends messages well before their deadline, until it is stopped.
func (l *loop) keep(messages []Message) *keeper {
	const timesPerDeadline = 3
	every := l.sub.AckDeadline / timesPerDeadline
	k := &keeper{messages: messages}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(every, func() {
		k.mu.Lock()
		current := k.messages
		k.mu.Unlock()
		if current == nil {
			return
		}
		ctx, cancel := context.WithTimeout(l.hard, every)
		err := l.sub.Source.Extend(ctx, current)
		cancel()
		if err != nil {
			l.w.cfg.Metrics.sourceFailed()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.messages != nil {
			k.timer.Reset(every)
		}
	})
	return k
}

func (k *keeper) set(messages []Message) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages = messages
}

func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.messages = nil
	k.timer.Stop()
}
