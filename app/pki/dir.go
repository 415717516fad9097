package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// Dir is a folder with a CA, ca.pem and ca.key, and the certificates that it has signed,
// NAME.pem and NAME.key. NAME is the common name.
type Dir string

// authorityName is the name of the CA among the names of a Dir.
const authorityName = "ca"

const (
	certSuffix = ".pem"
	keySuffix  = ".key"
	maxFile    = 1 << 20
)

// CertFile returns the path of a certificate.
func (d Dir) CertFile(name string) string { return filepath.Join(string(d), name+certSuffix) }

// KeyFile returns the path of the private key of a certificate.
func (d Dir) KeyFile(name string) string { return filepath.Join(string(d), name+keySuffix) }

// CAFile returns the path of the CA.
func (d Dir) CAFile() string { return d.CertFile(authorityName) }

// CAKeyFile returns the path of the private key of the CA.
func (d Dir) CAKeyFile() string { return d.KeyFile(authorityName) }

// Errors about the files of a Dir.
var (
	// ErrFileName: a common name cannot be the name of a file.
	ErrFileName = errors.New("cannot be the name of a file")
	// ErrExists: there is a certificate of this name already.
	ErrExists = errors.New("already exists")
	// ErrHalf: one of certificate and key is missing. A command that made both was
	// interrupted, or the other was moved away.
	ErrHalf = errors.New("is missing")
)

// CheckFileName reports a common name whose files would be hard to handle: other characters
// than letters, digits and "-_.", or the name of the CA.
func CheckFileName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%q %w: it is empty", name, ErrFileName)
	case strings.ContainsFunc(name, func(r rune) bool { return r != '-' && r != '.' && !isWordRune(r) }):
		return fmt.Errorf("%q %w: letters, digits and -_. are accepted", name, ErrFileName)
	case strings.ContainsRune("-.", rune(name[0])):
		return fmt.Errorf("%q %w: it begins with %q", name, ErrFileName, name[:1])
	case strings.EqualFold(name, authorityName):
		return fmt.Errorf("%q %w: the CA has it", name, ErrFileName)
	}
	return nil
}

// Create makes the CA of a new folder. lifetime 0: AuthorityLifetime.
func (d Dir) Create(cn string, lifetime time.Duration, now time.Time) (*Authority, error) {
	if err := ownedfile.MakeOwnFolder(string(d), "."); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	ca, pair, err := NewAuthority(cn, lifetime, now)
	if err != nil {
		return nil, err
	}
	return ca, d.create(authorityName, pair)
}

// Authority loads the CA.
func (d Dir) Authority() (*Authority, error) {
	pair, err := d.read(authorityName)
	if err != nil {
		return nil, err
	}
	ca, err := ParseAuthority(pair)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	return ca, nil
}

// Issue makes a certificate. It never replaces a file.
func (d Dir) Issue(r *Request) error {
	if err := CheckFileName(r.CN); err != nil {
		return err
	}
	ca, err := d.Authority()
	if err != nil {
		return err
	}
	if err := d.free(r.CN); err != nil {
		return err
	}
	pair, err := ca.Issue(r)
	if err != nil {
		return err
	}
	return d.create(r.CN, pair)
}

// free reports what there is of a certificate already.
func (d Dir) free(name string) error {
	cert, key := exists(d.CertFile(name)), exists(d.KeyFile(name))
	switch {
	case cert && key:
		return fmt.Errorf("%s: %w", d.CertFile(name), ErrExists)
	case cert:
		return fmt.Errorf("%s %w, and %s is there", d.KeyFile(name), ErrHalf, d.CertFile(name))
	case key:
		return fmt.Errorf("%s %w, and %s is there", d.CertFile(name), ErrHalf, d.KeyFile(name))
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// create writes a new pair, the key first: what interrupts it leaves a key that nothing
// uses, and never a certificate without its key.
func (d Dir) create(name string, p Pair) error {
	if err := d.free(name); err != nil {
		return err
	}
	if err := atomicfile.New(d.KeyFile(name), p.Key, nil); err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	if err := atomicfile.New(d.CertFile(name), p.Cert, nil); err != nil {
		return errors.Join(fmt.Errorf("certificate: %w", err), os.Remove(d.KeyFile(name)))
	}
	return nil
}

// read reads a pair. It refuses a key that others can read, and files that others could
// have written.
func (d Dir) read(name string) (Pair, error) {
	cert, _, err := ownedfile.Read(d.CertFile(name), ownedfile.Rule{Max: maxFile})
	if err != nil {
		return Pair{}, d.unreadable(name, err)
	}
	key, _, err := ownedfile.Read(d.KeyFile(name), ownedfile.Rule{Secret: true, Max: maxFile})
	if err != nil {
		return Pair{}, d.unreadable(name, err)
	}
	return Pair{Cert: cert, Key: key}, nil
}

// unreadable says what is missing, if anything is.
func (d Dir) unreadable(name string, err error) error {
	if half := d.free(name); errors.Is(half, ErrHalf) {
		return half
	}
	return err
}
