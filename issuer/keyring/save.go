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

const stateHeader = `# The purpose and state of each key, and the progress of a rotation. "usher nkey"
# writes this file; "usher nkey list" shows it. A running usher reloads it when it
# changes.
#
# States: next (created, not in use yet), active (in use), retiring (replaced; still
# serves servers that ask for it), retired (permanently out of use; its seed is in
# .retired/).
`

// dirRetired holds the seeds of retired keys. Its name begins with a dot, so that Load
// ignores it.
const dirRetired = ".retired"

// Save writes keyring.yaml atomically, with times in whole seconds. It first parses the
// new text and checks it with the seeds of the directory, so that it never writes a file
// that Load refuses or reads differently.
func Save(dir string, cfg Config, s *State) error {
	path := filepath.Join(dir, StateFile)
	if err := ownedfile.CheckFolder(dir, ownedfile.Rule{Write: true}); err != nil {
		return fmt.Errorf("write %s: %w", StateFile, err)
	}
	text, err := Encode(path, cfg, s)
	if err != nil {
		return err
	}
	if err := check(dir, cfg, s); err != nil {
		return fmt.Errorf("write %s: %w", StateFile, err)
	}
	return atomicfile.Write(path, text, cfg.mode(), func(f *os.File) error {
		err := chownToFolder(f)
		info, statErr := f.Stat()
		if err = errors.Join(err, statErr); err != nil {
			return err
		}
		if !s.usesPrograms() {
			return nil
		}
		return checkAuthor(path, info)
	})
}

// Encode returns the keyring.yaml that Save would write. Errors name it as file.
func Encode(file string, cfg Config, s *State) ([]byte, error) {
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

var errUnwritable = errors.New("a name or an argument is not UTF-8, which YAML cannot represent")

// mode returns the file mode of the files of a keyring. With AllowGroup the group can
// read them, because usher may run as another user than the one who rotates keys.
func (c *Config) mode() os.FileMode {
	if c.AllowGroup {
		return 0o640
	}
	return 0o600
}

// WriteSeed writes a new seed file, readable by its owner and, with AllowGroup, its
// group. It fails if the file exists. If root writes it, it gets the owner of the
// directory, so that an usher of that user can read it.
func WriteSeed(path string, seed []byte, cfg Config) error {
	content := append(slices.Clone(seed), '\n')
	if err := atomicfile.New(path, content, func(f *os.File) error { return errors.Join(chownToFolder(f), f.Chmod(cfg.mode())) }); err != nil {
		return fmt.Errorf("seed file: %w", err)
	}
	return nil
}

// RetireSeed moves a seed file to .retired/, from where it can be restored. It overwrites no
// file. It is no error if the file does not exist, so that an interrupted rotation can
// call it again.
func RetireSeed(dir, file string) error {
	if file == "" {
		return nil
	}
	root, err := ownedfile.OpenFolder(dir)
	if err != nil {
		return fmt.Errorf("retire seed: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing is written to it
	if err := ownedfile.MakeSubfolder(root, dirRetired, chownToFolder); err != nil {
		return fmt.Errorf("retire seed: %w", err)
	}
	name := unusedName(strings.TrimSuffix(file, SeedSuffix), filepath.Join(dir, dirRetired))
	err = root.Rename(file, filepath.Join(dirRetired, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("retire seed: %w", err)
	}
	atomicfile.SyncDir(dir)
	return nil
}

// unusedName returns the name of a seed file that exists in none of dirs.
func unusedName(base string, dirs ...string) string {
	for n := 0; ; n++ {
		name := base + SeedSuffix
		if n > 0 {
			name = base + "-" + strconv.Itoa(n) + SeedSuffix
		}
		if !slices.ContainsFunc(dirs, func(dir string) bool { return exists(filepath.Join(dir, name)) }) {
			return name
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// text returns the state as YAML. Every value that is not a plain word is quoted.
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

// write writes the lines that have a value.
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

// quote returns a plain word unchanged, and any other text in quotes.
func quote(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain && s != "" && !strings.ContainsAny(s[:1], "-.0123456789") && !yamlWord(s) {
		return s
	}
	return strconv.Quote(s)
}

// yamlWord reports whether YAML reads an unquoted s as something else than a string.
func yamlWord(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

// NewFileName returns the name of a new seed file. No seed has that name, and no retired seed.
func NewFileName(dir string, e *Entry, now time.Time) string {
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
	return unusedName(base+"-"+now.UTC().Format("20060102-150405"), dir, filepath.Join(dir, dirRetired))
}
