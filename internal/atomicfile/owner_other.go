//go:build !unix

package atomicfile

import (
	"io/fs"
	"os"
)

// KeepOwner returns nil: files have no owner here.
func KeepOwner(fs.FileInfo) func(*os.File) error { return nil }
