package jssource

// Bytes returns what a Source holds, and what it has paid for.
func (s *Source) Bytes() (held, paid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, int(s.paid.Size())
}
