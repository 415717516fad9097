//go:build !unix

package assembly

// MaxOpenFiles knows of no limit here.
func MaxOpenFiles() (limit uint64, known bool) { return 0, false }
