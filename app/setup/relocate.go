package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

var (
	// ErrNoPaths: nats-server.conf has none of the paths that Write puts there, or has them
	// in a form that Relocate does not change.
	ErrNoPaths = errors.New("has no store_dir or resolver dir that usher init wrote")
	// ErrLeftBehind: the data of nats-server is in the old folder, not in the new one.
	ErrLeftBehind = errors.New("was not moved with the folder")
	// ErrTwoStores: the old and the new folder both have data, and either could be current.
	ErrTwoStores = errors.New("both have data of JetStream")
)

// Relocation is a path that Relocate changed in nats-server.conf.
type Relocation struct{ From, To string }

// The keys of the paths that Write renders, and their folders.
var (
	// ownPath matches store_dir of JetStream or dir of the resolver, with a path in double
	// quotes, as Write renders them.
	ownPath = regexp.MustCompile(`(^|[\s{,;])(store_dir|dir)(\s*[:=]?\s*)("(?:[^"\\]|\\.)*")`) //nolint:gochecknoglobals // a parsed constant

	// storeDir matches store_dir in any form that nats-server accepts.
	storeDir = regexp.MustCompile(`(?i)(^|[\s{,;"'])store_dir["']?\s*[:=\s]`) //nolint:gochecknoglobals // a parsed constant
)

// Relocate makes nats-server.conf in dir use the data in dir. Call it after the folder of
// an installation was moved to dir, while its nats-server is stopped. It changes only the
// paths of JetStream and of the resolver, and only if their last element is still the one
// that Write chose. It returns what it changed; nothing if the paths are right.
//
// The error is ErrLeftBehind if JetStream has data at its old place only: with the new path
// nats-server would start with an empty store. It is ErrTwoStores if both places have data.
func Relocate(dir string) ([]Relocation, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	if strings.ContainsFunc(dir, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return nil, fmt.Errorf("relocate: %s has a character that nats-server.conf cannot have", strconv.Quote(dir))
	}
	if err := ownedfile.CheckOwnFolder(dir, "."); err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	file := filepath.Join(dir, FileServerConfig)
	if at, err := os.Lstat(file); err == nil && at.Mode()&fs.ModeSymlink != 0 { // writing would replace the link
		return nil, fmt.Errorf("relocate: %s is a link: change the file that it leads to", file)
	}
	text, info, err := ownedfile.Read(file, ownedfile.Rule{NoGroupWrite: true})
	if err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	m := mover{dir: dir}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		lines[i] = m.line(line)
	}
	switch {
	case !m.found || m.foreign:
		return nil, fmt.Errorf("%s: %w", file, ErrNoPaths)
	case len(m.changed) == 0:
		return nil, nil
	}
	if err := m.checkStores(); err != nil {
		return nil, err
	}
	if err := atomicfile.Write(file, []byte(strings.Join(lines, "")), info.Mode().Perm(), atomicfile.KeepOwner(info)); err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	return m.changed, nil
}

// mover changes the paths of one nats-server.conf.
type mover struct {
	dir     string
	parent  string // the folder that all changed paths are in
	changed []Relocation
	found   bool // a path of Write
	foreign bool // a store_dir that cannot be changed here
}

// line returns a line with the new paths. It changes nothing in a comment.
func (m *mover) line(line string) string {
	code := line[:commentStart(line)]
	stores := len(storeDir.FindAllString(code, -1))
	changed := ownPath.ReplaceAllStringFunc(code, func(match string) string {
		parts := ownPath.FindStringSubmatch(match)
		before, key, between, quoted := parts[1], parts[2], parts[3], parts[4]
		from, err := strconv.Unquote(quoted)
		name := path.Base(filepath.ToSlash(from))
		if err != nil || name != map[string]string{"store_dir": DirJetStream, "dir": DirResolver}[key] {
			return match
		}
		if key == "store_dir" {
			stores--
		}
		from = filepath.Clean(filepath.FromSlash(from))
		if m.parent != "" && filepath.Dir(from) != m.parent {
			m.foreign = true // Write puts all of them into one folder
			return match
		}
		m.found, m.parent = true, filepath.Dir(from)
		to := filepath.Join(m.dir, name)
		if from != to {
			m.changed = append(m.changed, Relocation{from, to})
		}
		return before + key + between + strconv.Quote(filepath.ToSlash(to))
	})
	if stores > 0 {
		m.foreign = true
	}
	return changed + line[len(code):]
}

// commentStart returns where the comment of a line begins, or the length of the line.
func commentStart(line string) int {
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#', c == '/' && i+1 < len(line) && line[i+1] == '/':
			return i
		}
	}
	return len(line)
}

// checkStores makes sure that the new store has the data.
func (m *mover) checkStores() error {
	for _, c := range m.changed {
		if filepath.Base(c.From) != DirJetStream || !filepath.IsAbs(c.From) || !hasFiles(c.From) {
			continue
		}
		if hasFiles(c.To) {
			return fmt.Errorf("%s and %s %w", c.From, c.To, ErrTwoStores)
		}
		return fmt.Errorf("%s: %w: move it to %s", c.From, ErrLeftBehind, c.To)
	}
	return nil
}

// hasFiles reports whether a folder has a file, at any depth. nats-server creates folders
// before it has data.
func hasFiles(dir string) bool {
	found := false
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type().IsRegular():
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found || err != nil && !errors.Is(err, os.ErrNotExist)
}
