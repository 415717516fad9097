package accountconn

import (
	"time"

	"github.com/nats-io/nats.go"
)

// lookAfter closes connections that nobody uses, and renews those whose account has another
// signing key, until the Pool is closed.
func (p *Pool) lookAfter() {
	unused := time.NewTicker(max(p.cfg.Idle/4, time.Second))
	defer unused.Stop()
	keys := time.NewTicker(lookAtKeys)
	defer keys.Stop()
	for {
		select {
		case <-unused.C:
			p.closeIdle()
		case <-keys.C:
			p.rekey()
		case <-p.ctx.Done():
			return
		}
	}
}

// closeIdle closes the connections that were not asked for, and carried no message, for
// Config.Idle. A pull that waits counts as traffic when it is renewed.
func (p *Pool) closeIdle() {
	p.mu.Lock()
	var unused []*nats.Conn
	now := p.cfg.Now()
	for account, e := range p.accounts {
		if e.trying != nil {
			continue
		}
		if e.conn != nil {
			s := e.conn.Stats()
			if n := s.InMsgs + s.OutMsgs; n != e.traffic {
				e.traffic, e.used = n, now
			}
		}
		if now.Sub(e.used) < p.cfg.Idle {
			continue
		}
		if e.conn != nil {
			unused = append(unused, e.conn)
		}
		delete(p.accounts, account)
	}
	p.mu.Unlock()
	for _, nc := range unused {
		nc.Close()
	}
}
