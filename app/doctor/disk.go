package doctor

import (
	"os"
	"path/filepath"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
)

// space is what a file system has left for a process that is not root.
type space struct {
	free, total uint64 // bytes
	noFiles     bool   // no file can be created
}

// lowSpace is when a file system counts as full: less than lowSpace, or a twentieth of a
// small one.
const lowSpace = 256 << 20

// checkDisks checks the file systems that usher writes to.
func checkDisks(f *finding.List, cfg *config.Config) {
	for _, p := range cfg.Paths() {
		switch p.Key {
		case "keyring.dir", "directory.snapshot_file", "directory.store_dir", "sessions.state_file", "healthcheck.token_file":
			checkDisk(f, p, 0)
		case "audit.file":
			spool := 0
			if cfg.Audit.To == config.AuditStream {
				spool = cfg.Audit.SpoolBytes
			}
			checkDisk(f, p, uint64(spool))
		}
	}
}

// checkDisk checks the file system of a path, on which usher may write the bytes of needed.
func checkDisk(f *finding.List, p config.KeyedPath, needed uint64) {
	const check = "disk"
	s, ok := freeSpace(existing(p.Path))
	if !ok {
		return
	}
	switch {
	case s.free == 0:
		f.Fail(fault.Runtime, check, p.Path, "remove what is not needed, or make the file system larger", "the file system of %s is full", p.Key)
	case s.noFiles:
		f.Fail(fault.Runtime, check, p.Path, "remove files", "the file system of %s has no inode left: no file can be created", p.Key)
	case s.free < needed:
		f.Warn(check, p.Path, "make the file system larger, or lower audit.spool_bytes", "%s are free, less than audit.spool_bytes, %s", size(s.free), size(needed))
	case s.free < lowSpace && s.free < s.total/20:
		f.Warn(check, p.Path, "remove what is not needed, or make the file system larger", "%s of %s are free, for %s", size(s.free), size(s.total), p.Key)
	default:
		f.OK(check, p.Path, "%s of %s are free, for %s", size(s.free), size(s.total), p.Key)
	}
}

// existing returns the path, or the nearest folder around it that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}
