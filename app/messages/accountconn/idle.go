package accountconn

import (
	"time"

	"github.com/nats-io/nats.go"
)

// closeUnused closes connections that nobody uses, until the Pool is closed.
func (p *Pool) closeUnused() {
	tick := time.NewTicker(max(p.cfg.Idle/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.closeIdle()
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
