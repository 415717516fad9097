package accountconn

// CloseIdle closes what is idle now.
func (p *Pool) CloseIdle() { p.closeIdle() }

// Len returns the number of accounts that the Pool knows.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts)
}
