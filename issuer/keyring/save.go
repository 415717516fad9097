package keyring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
	"usher/issuer"
)

const stateHeader = `# Which key is for what, and where a rotation stands. "usher nkey" writes this
# file; "usher nkey list" shows it. A running usher reads it again when it changes.
#
# States: next (made, not in use yet), active (in use), retiring (its successor is
# in use, it serves who still asks for it), retired (out of use for good; its seed
# lies in .retired/).
`

// dirRetired holds the seeds of retired keys. It begins with a dot, so that nobody
// takes it for a seed.
const dirRetired = ".retired"

// Save writes keyring.yaml in one step, with times in whole seconds. What it would
// write is read first, beside the seeds of the directory, as Load would read it, so
// that a file that Load refuses, or that says something else, is never put in place.
func Save(dir string, cfg Config, s *State) error {
	path := filepath.Join(dir, StateFile)
	if err := ownedfile.CheckFolder(dir, ownedfile.Rule{Write: true}); err != nil {
		return fmt.Errorf("write %s: %w", StateFile, err)
	}
	text, err := Text(path, cfg, s)
	if err != nil {
		return err
	}
	if err := check(dir, cfg, s); err != nil {
		return fmt.Errorf("write %s: %w", StateFile, err)
	}
	return atomicfile.Write(path, text, cfg.mode(), func(f *os.File) error {
		err := give(f)
		info, statErr := f.Stat()
		if err = errors.Join(err, statErr); err != nil {
			return err
		}
		if !s.runs() {
			return nil
		}
		return checkAuthor(path, info)
	})
}

// Text returns the keyring.yaml that Save would write; file names it in errors.
func Text(file string, cfg Config, s *State) ([]byte, error) {
	text := []byte(stateHeader + s.text())
	back, err := ParseState(file, text, cfg)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", StateFile, err)
	}
	if back.text() != s.text() {
		return nil, fmt.Errorf("write %s: %w", StateFile, errUnwritable)
	}
	return text, nil
}

var errUnwritable = errors.New("a name or an argument in it is not UTF-8, which YAML cannot say")

// mode is that of the files of a keyring: who may read them is who may be let read
// them, for the service need not run as who rotates its keys.
func (c *Config) mode() os.FileMode {
	if c.AllowGroup {
		return 0o640
	}
	return 0o600
}

// WriteSeed writes a seed file that is not there yet, readable by its owner and, if
// cfg lets it, its group. What root writes belongs to who owns the directory, as all
// that it makes in a keyring: an usher of another user has to read it.
func WriteSeed(path string, seed []byte, cfg Config) error {
	content := append(slices.Clone(seed), '\n')
	if err := atomicfile.New(path, content, func(f *os.File) error { return errors.Join(give(f), f.Chmod(cfg.mode())) }); err != nil {
		return fmt.Errorf("seed file: %w", err)
	}
	return nil
}

// Retire moves a seed file out of the way, where it can be got back from; it never
// takes the place of another one. That it has gone already is no error: an
// interrupted rotation does it again.
func Retire(dir, file string) error {
	if file == "" {
		return nil
	}
	root, err := ownedfile.OpenFolder(dir)
	if err != nil {
		return fmt.Errorf("retire seed: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	if err := ownedfile.MakeSubfolder(root, dirRetired, give); err != nil {
		return fmt.Errorf("retire seed: %w", err)
	}
	name := free(strings.TrimSuffix(file, SeedSuffix), filepath.Join(dir, dirRetired))
	err = root.Rename(file, filepath.Join(dirRetired, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("retire seed: %w", err)
	}
	atomicfile.SyncDir(dir)
	return nil
}

// free returns the name of a seed file that is in none of dirs yet.
func free(base string, dirs ...string) string {
	for n := 0; ; n++ {
		name := base + SeedSuffix
		if n > 0 {
			name = base + "-" + strconv.Itoa(n) + SeedSuffix
		}
		if !slices.ContainsFunc(dirs, func(dir string) bool { return there(filepath.Join(dir, name)) }) {
			return name
		}
	}
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// text returns the state as YAML. Every value is quoted as JSON, which YAML reads,
// unless it is a plain word.
func (s *State) text() string {
	var b strings.Builder
	if len(s.Accounts) > 0 {
		b.WriteString("accounts:\n")
		for _, a := range s.Accounts {
			project := ""
			if a.Project != "" {
				project = ", project: " + quote(a.Project)
			}
			fmt.Fprintf(&b, "  - {name: %s, public_key: %s%s}\n", quote(a.Name), quote(a.PublicKey), project)
		}
	}
	b.WriteString("keys:\n")
	if len(s.Keys) == 0 {
		b.WriteString("  []\n")
	}
	for i := range s.Keys {
		s.Keys[i].write(&b)
	}
	if s.Rotation != nil {
		s.Rotation.write(&b)
	}
	return b.String()
}

func (e *Entry) write(b *strings.Builder) {
	lines := lines{{"kind", e.Kind}, {"public_key", e.PublicKey}, {"account", e.Account}, {"scope", e.Scope}, {"file", e.File}}
	lines = append(lines, line{"state", string(e.State)}, stamp("since", e.Since))
	lines.write(b, "  - ", "    ")
	if len(e.Command) > 0 {
		quoted := make([]string, len(e.Command))
		for i, arg := range e.Command {
			quoted[i] = strconv.Quote(arg)
		}
		fmt.Fprintf(b, "    command: [%s]\n", strings.Join(quoted, ", "))
	}
}

func (r *Rotation) write(b *strings.Builder) {
	b.WriteString("rotation:\n")
	lines{
		{"kind", r.Kind},
		{"account", r.Account},
		{"scope", r.Scope},
		{"old", r.Old},
		{"new", r.New},
		{"done", string(r.Done)},
		stamp("started", r.Started),
	}.write(b, "  ", "  ")
}

type line struct{ key, value string }

type lines []line

func stamp(key string, t time.Time) line {
	if t.IsZero() {
		return line{key, ""}
	}
	return line{key, t.UTC().Format(time.RFC3339)}
}

// write writes what has a value.
func (l lines) write(b *strings.Builder, first, then string) {
	for _, x := range l {
		if x.value == "" {
			continue
		}
		value := x.value
		if x.key != "since" && x.key != "started" {
			value = quote(value)
		}
		fmt.Fprintf(b, "%s%s: %s\n", first, x.key, value)
		first = then
	}
}

// quote returns a plain word as it is, and anything else in quotes.
func quote(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain && s != "" && !strings.ContainsAny(s[:1], "-.0123456789") && !yamlWord(s) {
		return s
	}
	return strconv.Quote(s)
}

// yamlWord reports whether YAML reads a plain s as something else than text.
func yamlWord(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

// Name returns the name of a new seed file, which is not there yet, and was not.
func Name(dir string, e *Entry, now time.Time) string {
	base := strings.ToLower(e.Kind)
	if e.Account != "" {
		base = strings.ToLower(e.Account)
	}
	if e.Scope != "" {
		base += "-" + strings.ToLower(e.Scope)
	}
	if e.Kind == issuer.KindXKey {
		base = "xkey"
	}
	base = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, base)
	return free(base+"-"+now.UTC().Format("20060102-150405"), dir, filepath.Join(dir, dirRetired))
}
