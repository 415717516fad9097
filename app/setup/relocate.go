package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

var (
	// ErrNoPaths: nats-server.conf has none of the paths that Write puts there.
	ErrNoPaths = errors.New("has no store_dir or resolver dir that usher init wrote")
	// ErrLeftBehind: the data of nats-server is in the old folder, not in the new one.
	ErrLeftBehind = errors.New("was not moved with the folder")
)

// Relocation is a path that Relocate changed in nats-server.conf.
type Relocation struct{ From, To string }

// storePath matches a path below the folder of an installation as Write renders it, and
// as an operator may have reformatted it: store_dir of JetStream, or dir of the resolver.
// A line that is commented out does not match.
var storePath = regexp.MustCompile(`(?m)^([^#\n]*\b(?:store_dir|dir)\s*[:=]?\s*)("(?:[^"\\\n]|\\.)*")`) //nolint:gochecknoglobals // a parsed constant

// Relocate makes nats-server.conf in dir use the data in dir. Call it after the folder of
// an installation was moved to dir, while its nats-server is stopped. It changes only the
// paths of JetStream and of the resolver, and only if their last element is still the one
// that Write chose. It returns what it changed; nothing if the paths are right.
//
// The error is ErrLeftBehind if a path has data at its old place only: with the new path
// nats-server would start with an empty store.
func Relocate(dir string) ([]Relocation, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	if err := ownedfile.CheckOwnFolder(dir, "."); err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	file := filepath.Join(dir, FileServerConfig)
	text, info, err := ownedfile.Read(file, ownedfile.Rule{NoGroupWrite: true})
	if err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	var changed []Relocation
	var errs []error
	found := false
	text = storePath.ReplaceAllFunc(text, func(match []byte) []byte {
		parts := storePath.FindSubmatch(match)
		from, err := strconv.Unquote(string(parts[2]))
		name := path.Base(filepath.ToSlash(from))
		if err != nil || name != DirJetStream && name != DirResolver {
			return match
		}
		found = true
		from = filepath.Clean(filepath.FromSlash(from))
		to := filepath.Join(dir, name)
		if from == to {
			return match
		}
		if filepath.IsAbs(from) && isFilled(from) && !isFilled(to) {
			errs = append(errs, fmt.Errorf("%s: %w: move it to %s", from, ErrLeftBehind, to))
		}
		changed = append(changed, Relocation{from, to})
		return append(bytes.Clone(parts[1]), strconv.Quote(filepath.ToSlash(to))...)
	})
	switch {
	case !found:
		return nil, fmt.Errorf("%s: %w", file, ErrNoPaths)
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(changed) == 0:
		return nil, nil
	}
	if err := atomicfile.Write(file, text, info.Mode().Perm(), keepOwner(info)); err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	return changed, nil
}

// isFilled reports whether a folder exists and is not empty.
func isFilled(dir string) bool {
	entries, err := os.ReadDir(dir)
	return !errors.Is(err, fs.ErrNotExist) && (err != nil || len(entries) > 0)
}
