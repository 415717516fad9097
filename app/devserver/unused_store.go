package devserver

import (
	"os"
	"path/filepath"
)

// UnusedStore returns the folder with data beside file that has the name of StoreDir, if
// nats-server uses another one: the folder of file was probably moved. Empty: there is none.
// Any folder counts if StoreDir does not exist.
func (f *File) UnusedStore(file string) string {
	if !filepath.IsAbs(f.StoreDir) {
		return ""
	}
	beside := filepath.Join(filepath.Dir(file), filepath.Base(f.StoreDir))
	entries, err := os.ReadDir(beside)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(f.StoreDir); err == nil && (len(entries) == 0 || isWithin(filepath.Dir(file), f.StoreDir) || isWithin(beside, f.StoreDir)) {
		return ""
	}
	return beside
}

// isWithin reports whether dir is folder or below it. Links count as what they lead to.
func isWithin(folder, dir string) bool {
	top, err := os.Stat(folder)
	if err != nil {
		return false
	}
	for {
		if info, err := os.Stat(dir); err == nil && os.SameFile(info, top) {
			return true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return false
		}
		dir = up
	}
}
