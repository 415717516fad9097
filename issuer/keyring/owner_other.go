//go:build !unix

package keyring

import "os"

// chownToFolder does nothing on this system.
func chownToFolder(*os.File) error { return nil }
