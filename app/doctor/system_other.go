//go:build !linux

package doctor

// readPlatform knows no more about this system than Go does.
func (s *System) readPlatform() {}
