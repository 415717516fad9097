package accountconn

import (
	"time"

	"github.com/nats-io/nats.go"

	"usher/issuer"
)

const (
	lookAtKeys = time.Second
	// settled is when all replicas have a changed keyring: before, another one can still
	// answer with the old key.
	settled = 10 * time.Second
)

// signers remembers which signing keys answer for the accounts. It is a part of Pool.
type signers struct {
	keyring *issuer.Keyring   // as last looked at
	active  map[string]string // by account, the public keys
	changed time.Time         // when a keyring was replaced
}

// activeSigners returns the public keys that sign user JWTs now, by account. In config mode
// there are none: there a server takes no note of who has signed.
func activeSigners(k *issuer.Keyring) map[string]string {
	active := map[string]string{}
	if !k.Operator() {
		return active
	}
	keys := k.Keys()
	for i := range keys {
		if key := &keys[i]; key.Kind == issuer.KindSigning && key.State == issuer.StateActive {
			active[key.Account] += key.PublicKey + " "
		}
	}
	return active
}

// rekey lets a connection connect again once its account has another signing key. Otherwise
// the old key could not be retired before the token of the connection ends.
func (p *Pool) rekey() {
	for _, nc := range p.outdated() {
		_ = nc.ForceReconnect() // fails if it is closed, or is connecting already
	}
}

// outdated returns the connections that an old key may have signed, each once.
func (p *Pool) outdated() (all []*nats.Conn) {
	keyring := p.cfg.Keyring()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.cfg.Now()
	if keyring != p.signers.keyring {
		active := activeSigners(keyring)
		for account, e := range p.accounts {
			if active[account] != p.signers.active[account] {
				e.rekeyAt = now.Add(settled)
			}
		}
		p.signers = signers{keyring: keyring, active: active, changed: now}
	}
	for _, e := range p.accounts {
		if !e.rekeyAt.IsZero() && !now.Before(e.rekeyAt) && e.conn != nil {
			e.rekeyAt = time.Time{}
			all = append(all, e.conn)
		}
	}
	return all
}
