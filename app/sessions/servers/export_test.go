package servers

import (
	"maps"
	"time"
)

// ConfirmAll confirms all connections, as the lists of their servers do.
func (s *Servers) ConfirmAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	account := s.accounts.number("APP")
	for _, k := range s.servers {
		for cid := range maps.Clone(k.unconfirmed) {
			k.confirm(&client{ID: cid, IssuerKey: "APP", User: "u"}, account, s.cfg.Now())
		}
		k.unconfirmed = map[uint64]time.Time{} // a map does not shrink; here all were in it at once
	}
}

// Unconfirmed returns how many connections no server has confirmed.
func (s *Servers) Unconfirmed() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.servers {
		n += len(k.unconfirmed)
	}
	return n
}
