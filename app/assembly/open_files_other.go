//go:build !unix

package assembly

// MaxOpenFiles knows no limit on this system.
func MaxOpenFiles() (limit uint64, known bool) { return 0, false }
