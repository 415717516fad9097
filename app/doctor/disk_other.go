//go:build !linux && !darwin

package doctor

// freeSpace cannot tell on this system.
func freeSpace(string) (s space, ok bool) { return space{}, false }
