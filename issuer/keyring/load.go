package keyring

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/internal/secret"
	"usher/issuer"
)

// SeedSuffix is the file name extension of seed files in a keyring directory.
const SeedSuffix = ".nk"

// Config sets what a keyring directory may contain.
type Config struct {
	// AllowGroup accepts files that their group can read, as mounted secrets often are.
	// Files that others can read are never accepted.
	AllowGroup bool
	// Callout is the name of the callout account in operator mode; empty: config mode.
	Callout string
	// System is the name of the system account in operator mode; empty: not configured.
	// keyring.yaml must list both accounts. It must not list any account twice, so neither
	// can have a second name.
	System string
}

// Load reads a keyring directory. Each "*.nk" file has one seed: an account seed for a
// signing key, or a curve seed for an xkey. keyring.yaml is optional in config mode.
// Names that begin with a dot are ignored, because mounted secrets have such files; any
// other file is an error, but in a folder with the credentials of a systemd service. Load reports all faults at once.
func Load(dir string, cfg Config) (*issuer.Keyring, error) {
	d, err := read(dir, cfg)
	if err != nil {
		return nil, err
	}
	return d.keyring()
}

// ReadState returns the content of keyring.yaml, and an Unlisted entry for each seed
// that it does not list. In config mode such seeds are active. In operator mode an
// unlisted account seed is left out, because its account is unknown.
func ReadState(dir string, cfg Config) (*State, error) {
	d, err := read(dir, cfg)
	if err != nil {
		return nil, err
	}
	s := &State{Accounts: d.state.Accounts, Rotation: d.state.Rotation}
	for i := range d.held {
		k := &d.held[i].Key
		listed := i < len(d.state.Keys) // match keeps their order
		if !listed && k.Kind == issuer.KindSigning {
			continue
		}
		e := Entry{
			PublicKey: k.PublicKey, Kind: k.Kind, Account: k.Account, Scope: k.Scope,
			Command: k.Command, State: k.State, Since: k.Since, Unlisted: !listed && d.stated,
		}
		if k.File != "" {
			e.File = filepath.Base(k.File)
		}
		if listed { // a retired seed has been moved; only its name is left
			e.File = d.state.Keys[i].File
		}
		s.Keys = append(s.Keys, e)
	}
	return s, nil
}

// directory is the content of a keyring directory.
type directory struct {
	dir    string
	cfg    Config
	state  *State
	stated bool // keyring.yaml exists
	held   []issuer.LoadedKey
}

func read(dir string, cfg Config) (*directory, error) {
	entries, err := list(dir)
	if err != nil {
		return nil, err
	}
	state, err := readState(dir, cfg)
	d := &directory{dir: dir, cfg: cfg, state: state, stated: state != nil}
	if !d.stated {
		d.state = &State{}
	}
	seeds, seedErr := d.seeds(entries)
	if err = errors.Join(err, seedErr); err != nil {
		return nil, err
	}
	return d, d.match(entries, seeds)
}

// list returns the entries of a directory that nobody else can write to.
func list(dir string) ([]os.DirEntry, error) {
	if err := ownedfile.CheckFolder(dir, ownedfile.Rule{}); err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	return entries, nil
}

// check reports whether Load would accept the directory with this state.
func check(dir string, cfg Config, s *State) error {
	entries, err := list(dir)
	if err != nil {
		return err
	}
	d := &directory{dir: dir, cfg: cfg, state: s, stated: true}
	seeds, err := d.seeds(entries)
	if err != nil {
		return err
	}
	if err := d.match(entries, seeds); err != nil {
		return err
	}
	_, err = d.keyring()
	return err
}

// seeds reads every seed file. It returns the keys by file name.
func (d *directory) seeds(entries []os.DirEntry) (map[string]*issuer.LoadedKey, error) {
	seeds := map[string]*issuer.LoadedKey{}
	var errs []error
	shared := ownedfile.InCredentials(d.dir)
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || name == StateFile {
			continue
		}
		if shared && !strings.HasSuffix(name, SeedSuffix) {
			continue // another credential of the service
		}
		if secret.Detect(name) {
			errs = append(errs, fmt.Errorf("%s: a file has the name %s: %s", d.dir, secret.Hidden, secret.Hint))
			continue
		}
		held, err := d.seed(filepath.Join(d.dir, name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		seeds[name] = held
	}
	return seeds, errors.Join(errs...)
}

// readState reads keyring.yaml. It returns nil if the file does not exist or is invalid.
func readState(dir string, cfg Config) (*State, error) {
	path := filepath.Join(dir, StateFile)
	data, info, err := readFile(path, maxStateFile, "the state of the keyring", cfg.AllowGroup)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // optional in config mode
	}
	if err != nil {
		return nil, err
	}
	s, err := ParseState(path, data, cfg)
	if err != nil {
		return nil, err
	}
	if s.usesPrograms() {
		if err := checkAuthor(path, info); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// usesPrograms reports whether a program signs with any key that is in use.
func (s *State) usesPrograms() bool {
	return slices.ContainsFunc(s.Keys, func(e Entry) bool { return len(e.Command) > 0 && e.State != issuer.StateRetired })
}

// ErrUntrustedAuthor: keyring.yaml names a program to run, and another user than root and
// usher's own user can write the file.
var ErrUntrustedAuthor = errors.New("the keyring names a program to run")

// checkAuthor returns ErrUntrustedAuthor if another user can write keyring.yaml.
func checkAuthor(path string, info os.FileInfo) error {
	err := ownedfile.CheckWritten(path, info, ownedfile.Rule{Exec: true})
	if errors.Is(err, ownedfile.ErrUntrusted) {
		return fmt.Errorf("%w: %w", ErrUntrustedAuthor, err)
	}
	return err
}

// seed reads one seed file.
func (d *directory) seed(path string) (*issuer.LoadedKey, error) {
	if !strings.HasSuffix(path, SeedSuffix) {
		return nil, fmt.Errorf("%s: a keyring directory holds seed files named *%s only, and %s", path, SeedSuffix, StateFile)
	}
	seed, info, err := ReadSeed(path, d.cfg.AllowGroup)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	h := &issuer.LoadedKey{Key: issuer.Key{File: path, Modified: info.ModTime(), Since: info.ModTime(), State: issuer.StateActive}}
	prefix, _, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("%s: not a seed: %w", path, err)
	}
	switch prefix { //nolint:exhaustive // the default refuses every other kind
	case nkeys.PrefixByteAccount:
		if h.Signer, err = issuer.NewSigner(seed); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		h.Kind, h.PublicKey = issuer.KindIssuer, h.Signer.PublicKey()
		if d.cfg.Callout != "" {
			h.Kind, h.State = issuer.KindSigning, issuer.StateNext // keyring.yaml names its account
		}
	case nkeys.PrefixByteCurve:
		if h.XKey, err = issuer.NewXKey(seed); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		h.Kind, h.PublicKey = issuer.KindXKey, h.XKey.PublicKey()
	default:
		return nil, fmt.Errorf("%s: a %s seed; the keyring takes account seeds (SA…) and xkey seeds (SX…)", path, prefix)
	}
	return h, nil
}

// match combines the entries of keyring.yaml with the seeds.
func (d *directory) match(entries []os.DirEntry, seeds map[string]*issuer.LoadedKey) error {
	var errs []error
	for i := range d.state.Keys {
		h, err := d.load(&d.state.Keys[i], seeds)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.held = append(d.held, *h)
		delete(seeds, d.state.Keys[i].File)
	}
	for _, e := range entries {
		if h := seeds[e.Name()]; h != nil {
			d.held = append(d.held, *h)
		}
	}
	files := map[string]string{} // by public key
	for i := range d.held {
		h := &d.held[i]
		if other, duplicate := files[h.PublicKey]; duplicate {
			errs = append(errs, fmt.Errorf("%s: the same key as in %s", h.File, other))
		}
		files[h.PublicKey] = cmp.Or(h.File, filepath.Join(d.dir, StateFile))
	}
	return errors.Join(errs...)
}

// load returns the key of one entry of keyring.yaml.
func (d *directory) load(e *Entry, seeds map[string]*issuer.LoadedKey) (*issuer.LoadedKey, error) {
	key := issuer.Key{
		Kind: e.Kind, PublicKey: e.PublicKey, Account: e.Account, Scope: e.Scope,
		State: e.State, Command: e.Command, Since: e.Since, Modified: e.Since,
	}
	where := filepath.Join(d.dir, StateFile) + ": key " + e.PublicKey
	switch h := seeds[e.File]; {
	case h != nil && h.PublicKey != e.PublicKey:
		return nil, fmt.Errorf("%s: %s has the seed of %s", where, e.File, h.PublicKey)
	case h != nil:
		key.File, key.Modified = h.File, h.Modified
		if key.Since.IsZero() {
			key.Since = h.Modified
		}
		return &issuer.LoadedKey{Key: key, Signer: h.Signer, XKey: h.XKey}, nil
	case e.State == issuer.StateRetired:
		return &issuer.LoadedKey{Key: key}, nil
	case len(e.Command) > 0:
		if err := CheckProgram(e.Command); err != nil {
			return nil, fmt.Errorf("%s: command: %w", where, err)
		}
		s, err := issuer.NewCommand(e.PublicKey, e.Command)
		if err != nil {
			return nil, fmt.Errorf("%s: command: %w", where, err)
		}
		return &issuer.LoadedKey{Key: key, Signer: s}, nil
	default:
		return nil, fmt.Errorf("%s: its seed file %s does not exist", where, e.File)
	}
}

func (d *directory) keyring() (*issuer.Keyring, error) {
	var operator *issuer.Operator
	if d.cfg.Callout != "" {
		operator = &issuer.Operator{Callout: d.cfg.Callout, System: d.cfg.System, Accounts: d.state.Accounts}
	}
	k, err := issuer.NewKeyring(d.held, operator)
	if err != nil {
		return nil, fmt.Errorf("keyring %s: %w", d.dir, err)
	}
	if len(k.Expected()) == 0 {
		return nil, fmt.Errorf("keyring %s %w (a file *%s with an account seed, SA…)", d.dir, issuer.ErrEmptyKeyring, SeedSuffix)
	}
	return k, nil
}
