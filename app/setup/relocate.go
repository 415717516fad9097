package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"usher/app/natscontext"
	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

var (
	// ErrNoPaths: nats-server.conf has none of the paths that Write puts there, or has them
	// in a form that Relocate does not change.
	ErrNoPaths = errors.New("has no store_dir or resolver dir that usher init wrote")
	// ErrNoConfig: the folder has no configuration that Write or WriteEventGateway makes.
	ErrNoConfig = errors.New("has no configuration of nats-server that usher init wrote")
	// ErrTwoFolders: a file of an event gateway has paths in two folders, and either could
	// be the one that was moved.
	ErrTwoFolders = errors.New("has paths in several folders with a folder " + DirPKI)
	// ErrLeftBehind: the data of nats-server, or a certificate, is not in the new folder.
	ErrLeftBehind = errors.New("was not moved with the folder")
	// ErrTwoStores: the old and the new folder both have data, and either could be current.
	ErrTwoStores = errors.New("both have data of JetStream")
)

// Relocation is a path that Relocate changed.
type Relocation struct{ From, To string }

// The keys of the paths that Write renders, and their folders.
var (
	// ownPath matches store_dir of JetStream or dir of the resolver, with a path in double
	// quotes, as Write renders them.
	ownPath = regexp.MustCompile(`(^|[\s{,;])(store_dir|dir)(\s*[:=]?\s*)("(?:[^"\\]|\\.)*")`) //nolint:gochecknoglobals // a parsed constant

	// certPath matches the paths that WriteEventGateway renders.
	certPath = regexp.MustCompile(`((?:^|[\s{,;])(?:cert_file|key_file|ca_file)\s*[:=]?\s*)("(?:[^"\\]|\\.)*")`) //nolint:gochecknoglobals // a parsed constant

	// storeDir matches store_dir in any form that nats-server accepts.
	storeDir = regexp.MustCompile(`(?i)(^|[\s{,;"'])store_dir["']?\s*[:=\s]`) //nolint:gochecknoglobals // a parsed constant
)

// Relocate makes the configurations of nats-server in dir use what is in dir. Call it after
// the folder of an installation was moved to dir, while its servers are stopped. It changes
// only the paths of JetStream and of the resolver, and only if their last element is still
// the one that Write chose; and in the files of an event gateway those of certificates in
// its folder. It returns what it changed; nothing if the paths are right.
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
	names := configsIn(dir)
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoConfig)
	}
	var edits []edit
	var changed []Relocation
	var from string
	for _, name := range names {
		m := mover{dir: dir, certificates: name != FileServerConfig, store: name == FileServerConfig || name == FileStore}
		e, err := m.edit(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if len(m.changed) > 0 {
			edits, changed, from = append(edits, e), append(changed, m.changed...), m.parent
		}
	}
	contexts, err := natscontext.Move(filepath.Join(dir, DirContexts), from, dir)
	if err != nil {
		return nil, fmt.Errorf("relocate: %w", err)
	}
	for _, m := range contexts {
		changed = append(changed, Relocation(m))
	}
	for _, e := range edits {
		if err := atomicfile.Write(e.file, []byte(e.text), e.info.Mode().Perm(), atomicfile.KeepOwner(e.info)); err != nil {
			return nil, fmt.Errorf("relocate: %w", err)
		}
	}
	return changed, nil
}

// configsIn returns the configurations of nats-server in a folder. Of those of an event
// gateway, a machine can have some.
func configsIn(dir string) []string {
	return slices.DeleteFunc([]string{FileExternal, FileInternal, FileStore, FileServerConfig}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// edit is a file with its new text.
type edit struct {
	file, text string
	info       fs.FileInfo
}

// edit returns a file with the new paths.
func (m *mover) edit(file string) (e edit, _ error) {
	if at, err := os.Lstat(file); err == nil && at.Mode()&fs.ModeSymlink != 0 { // writing would replace the link
		return e, fmt.Errorf("relocate: %s is a link: change the file that it leads to", file)
	}
	text, info, err := ownedfile.Read(file, ownedfile.Rule{NoGroupWrite: true})
	if err != nil {
		return e, fmt.Errorf("relocate: %w", err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	for i, line := range lines {
		lines[i] = m.line(line)
	}
	switch {
	case !m.store && m.foreign:
		return e, fmt.Errorf("%s: %w", file, ErrTwoFolders)
	case m.store && (!m.found || m.foreign):
		return e, fmt.Errorf("%s: %w", file, ErrNoPaths)
	case m.lost != nil:
		return e, fmt.Errorf("%s: %w", file, m.lost)
	}
	return edit{file, strings.Join(lines, ""), info}, m.checkStores()
}

// mover changes the paths of one configuration.
type mover struct {
	dir          string
	certificates bool   // it has paths of certificates, as those of an event gateway
	store        bool   // it has a store or a resolver
	parent       string // the folder that all changed paths are in
	changed      []Relocation
	found        bool  // a path of Write
	foreign      bool  // a store_dir that cannot be changed here, or paths in several folders
	lost         error // a certificate that is neither at its old nor at its new place
}

// line returns a line with the new paths. It changes nothing in a comment.
func (m *mover) line(line string) string {
	code := line[:commentStart(line)]
	rest := line[len(code):]
	if m.certificates {
		code = certPath.ReplaceAllStringFunc(code, m.certificate)
	}
	if !m.store {
		return code + rest
	}
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
		return before + key + between + quotePath(to)
	})
	if stores > 0 {
		m.foreign = true
	}
	return changed + rest
}

// certificate returns the path of a certificate, a key or a CA with its new folder. It
// changes nothing that is not in a folder like that of WriteEventGateway, or that is not in
// the new one: the path was given to it.
func (m *mover) certificate(match string) string {
	parts := certPath.FindStringSubmatch(match)
	from, err := strconv.Unquote(parts[2])
	if err != nil {
		return match
	}
	from = filepath.Clean(filepath.FromSlash(from))
	to := filepath.Join(m.dir, DirPKI, filepath.Base(from))
	if filepath.Base(filepath.Dir(from)) != DirPKI || from == to {
		return match
	}
	if !exists(to) {
		if !exists(from) {
			m.lost = fmt.Errorf("%s: %w: put it at %s", from, ErrLeftBehind, to)
		}
		return match
	}
	parent := filepath.Dir(filepath.Dir(from))
	if m.parent != "" && m.parent != parent {
		m.foreign = true
		return match
	}
	m.parent = parent
	if r := (Relocation{from, to}); !slices.Contains(m.changed, r) {
		m.changed = append(m.changed, r)
	}
	return parts[1] + quotePath(to)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
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
