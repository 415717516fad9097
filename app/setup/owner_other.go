//go:build !unix

package setup

import (
	"io/fs"
	"os"
)

func keepOwner(fs.FileInfo) func(*os.File) error { return nil }
