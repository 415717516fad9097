package issuer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"
)

// SeedSuffix ends the name of every file in a keyring directory.
const SeedSuffix = ".nk"

// What a key of the keyring is for.
const (
	KindIssuer = "issuer" // an account key that signs user JWTs and responses
	KindXKey   = "xkey"   // a curve key that opens requests and seals answers
)

// ErrSeedReadable: a file with a seed or another secret can be read by others
// than its owner.
var ErrSeedReadable = errors.New("secret file can be read by others")

// Key describes one key of a keyring, without its secret.
type Key struct {
	Kind      string
	PublicKey string
	File      string
	Modified  time.Time // when the file was last written; the key's age counts from here
}

// Keyring is an immutable set of issuer keys and xkeys. It answers with the key
// that a request asks for, so that servers on an old and on a new key are
// served side by side. Safe for concurrent use.
type Keyring struct {
	signers map[string]Signer
	xkeys   []*XKey
	keys    []Key
}

// KeyringConfig says how a keyring directory may look.
type KeyringConfig struct {
	// AllowGroup admits seed files that their group can read, as mounted
	// secrets often are. Others never can.
	AllowGroup bool
}

// LoadKeyring reads every "*.nk" file of dir: one seed each, an account seed
// for an issuer or a curve seed for an xkey. Names that begin with a dot are
// left alone, because mounted secrets have them; anything else is an error.
// All faults are reported at once.
func LoadKeyring(dir string, cfg KeyringConfig) (*Keyring, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	k := &Keyring{signers: map[string]Signer{}}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := k.addFile(filepath.Join(dir, e.Name()), cfg); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(k.signers) == 0 {
		return nil, fmt.Errorf("keyring %s holds no issuer seed (a file *%s with an account seed, SA…)", dir, SeedSuffix)
	}
	slices.SortFunc(k.keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.PublicKey, b.PublicKey))
	})
	return k, nil
}

func (k *Keyring) addFile(path string, cfg KeyringConfig) error {
	if !strings.HasSuffix(path, SeedSuffix) {
		return fmt.Errorf("%s: a keyring directory holds seed files named *%s only", path, SeedSuffix)
	}
	seed, info, err := readSeed(path, cfg.AllowGroup)
	if err != nil {
		return err
	}
	defer clear(seed)
	key := Key{File: path, Modified: info.ModTime()}
	prefix, _, err := nkeys.DecodeSeed(seed)
	if err != nil {
		return fmt.Errorf("%s: not a seed: %w", path, err)
	}
	switch prefix { //nolint:exhaustive // the default refuses every other kind
	case nkeys.PrefixByteAccount:
		s, err := NewSigner(seed)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		key.Kind, key.PublicKey = KindIssuer, s.PublicKey()
		if _, ok := k.signers[key.PublicKey]; !ok {
			k.signers[key.PublicKey] = s
		}
	case nkeys.PrefixByteCurve:
		x, err := NewXKey(seed)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		key.Kind, key.PublicKey = KindXKey, x.PublicKey()
		k.xkeys = append(k.xkeys, x)
	default:
		return fmt.Errorf("%s: a %s seed; the keyring takes account seeds (SA…) and xkey seeds (SX…)", path, prefix)
	}
	for _, other := range k.keys {
		if other.PublicKey == key.PublicKey {
			return fmt.Errorf("%s: the same key as in %s", path, other.File)
		}
	}
	k.keys = append(k.keys, key)
	return nil
}

// maxSeedFile is far above any seed with surrounding white space.
const maxSeedFile = 4096

// readSeed reads a seed file that nobody else can read. The check is made on
// the file that was opened, so that it cannot be exchanged in between.
func readSeed(path string, allowGroup bool) ([]byte, os.FileInfo, error) {
	// Opening a pipe would wait for a writer.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path) //nolint:gosec // the path comes from the operator's configuration
	if err != nil {
		return nil, nil, fmt.Errorf("open seed file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("look at seed file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	}
	if info.Size() > maxSeedFile {
		return nil, nil, fmt.Errorf("%s: %d bytes are too many for a seed", path, info.Size())
	}
	if err := CheckSecretMode(path, info, allowGroup); err != nil {
		return nil, nil, err
	}
	buf := make([]byte, info.Size())
	n, err := f.Read(buf)
	if err != nil {
		return nil, nil, fmt.Errorf("read seed file %s: %w", path, err)
	}
	return trim(buf[:n]), info, nil
}

// CheckSecretMode reports ErrSeedReadable for a file that others than its owner
// can read or change; allowGroup lets its group read it. On Windows file modes
// say nothing about access, so nothing is checked there (docs/operations.md).
func CheckSecretMode(path string, info os.FileInfo, allowGroup bool) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	allowed := os.FileMode(0o700)
	if allowGroup {
		allowed = 0o740
	}
	if mode := info.Mode().Perm(); mode&^allowed != 0 {
		return fmt.Errorf("%s: %w (mode %04o, expected %04o or less)", path, ErrSeedReadable, mode, allowed&0o640)
	}
	return nil
}

func trim(b []byte) []byte { return []byte(strings.TrimSpace(string(b))) }

// Signer returns the issuer with this public key.
func (k *Keyring) Signer(public string) (Signer, bool) {
	s, ok := k.signers[public]
	return s, ok
}

// Signers returns every issuer, sorted by public key.
func (k *Keyring) Signers() []Signer {
	out := make([]Signer, 0, len(k.signers))
	for _, public := range slices.Sorted(maps.Keys(k.signers)) {
		out = append(out, k.signers[public])
	}
	return out
}

// Oldest returns the issuer whose file was written first: while keys are being
// replaced, the one that every replica has.
func (k *Keyring) Oldest() Signer {
	var oldest Key
	for _, key := range k.keys {
		if key.Kind == KindIssuer && (oldest.PublicKey == "" || key.Modified.Before(oldest.Modified)) {
			oldest = key
		}
	}
	return k.signers[oldest.PublicKey]
}

// XKeys returns every xkey. Empty: requests come in the clear.
func (k *Keyring) XKeys() []*XKey { return k.xkeys }

// Keys describes every key, sorted by kind and public key.
func (k *Keyring) Keys() []Key { return slices.Clone(k.keys) }
