package jssource

// Bytes returns how many bytes a Source holds, and all of its Budget together.
func (s *Source) Bytes() (own, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes, int(s.cfg.Budget.used.Load())
}
