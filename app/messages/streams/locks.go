package streams

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

// locks let one at a time change what JetStream has of a project. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[uuid.UUID]*projectLock
}

type projectLock struct {
	turn  chan struct{}
	users int
}

// lock waits for its turn, and returns what ends it.
func (l *locks) lock(ctx context.Context, project uuid.UUID) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[uuid.UUID]*projectLock{}
	}
	p := l.held[project]
	if p == nil {
		p = &projectLock{turn: make(chan struct{}, 1)}
		l.held[project] = p
	}
	p.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if p.users--; p.users == 0 {
			delete(l.held, project)
		}
	}
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
