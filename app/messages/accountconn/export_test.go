package accountconn

// CloseIdle closes what is idle now.
func (p *Pool) CloseIdle() { p.closeIdle() }

// Rekey looks at the keyring now.
func (p *Pool) Rekey() { p.rekey() }

// Len returns the number of accounts that the Pool knows.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts)
}
