package checkup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/ownedfile"
	"usher/internal/secretfile"
	"usher/internal/shellword"
)

// maxSnapshotAge is older than the snapshot of any running usher, which updates the file every
// ten minutes.
const maxSnapshotAge = 30 * time.Minute

// snapshotFile checks the snapshot on disk, and returns it; nil: it cannot be used.
func (b *bucketCheck) snapshotFile(now time.Time) *snapshot.Snapshot {
	const check = "snapshot"
	file := b.cfg.Directory.SnapshotFile
	if file == "" {
		b.Warn(check, "", "set directory.snapshot_file", "no snapshot is kept on disk: an usher cannot start while the bucket is unreachable")
		return nil
	}
	if err := canWrite(filepath.Dir(file)); err != nil {
		b.Fail(fault.Config, check, file, "directory.snapshot_file must be in a folder that usher can write to", "cannot be written: %v", err)
	}
	s, status, err := kv.ReadCache(file, b.cfg.Directory.Bucket)
	switch age := now.Sub(status.Checked).Round(time.Second); {
	case errors.Is(err, fs.ErrNotExist):
		b.OK(check, file, "none yet: a running usher writes it")
	case err != nil:
		b.Warn(check, file, "a running usher writes it again; an usher that starts while NATS is down must wait",
			"cannot be used: %v", secretfile.WithoutPath(err))
	case age > maxSnapshotAge:
		b.Warn(check, file, "usher serve -c "+shellword.Quote(b.path)+"; if it is running, its log says why it cannot write the file",
			"is %v old: no running usher updates it", age)
	default:
		b.OK(check, file, "%v old, at revision %d", max(age, 0), status.Revision)
	}
	return s
}

// canWrite reports why no file can be created in dir. If dir does not exist, it checks the
// nearest folder above it.
func canWrite(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch up := filepath.Dir(dir); {
		case errors.Is(err, fs.ErrNotExist) && up != dir:
			dir = up
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
		}
		if err := ownedfile.CheckFolder(dir, ownedfile.Rule{Write: true}); err != nil {
			return err
		}
		f, err := os.CreateTemp(dir, ".usher-check-*")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
}

// exists reports whether a file or folder exists.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
