package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"usher/internal/ownedfile"
)

// Entry is one certificate of a folder.
type Entry struct {
	Name string
	Cert *x509.Certificate // nil if it cannot be read
	Own  bool              // the CA of the folder has signed it
	Err  error             // why the pair cannot be used
}

// Names returns the names of the certificates in the folder, sorted, without the CA.
func (d Dir) Names() ([]string, error) {
	if err := ownedfile.CheckFolder(string(d), ownedfile.Rule{}); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(string(d))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, f := range files {
		for _, suffix := range []string{certSuffix, keySuffix, nextSuffix} {
			name, ok := strings.CutSuffix(f.Name(), suffix)
			if ok && CheckFileName(name) == nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// List returns the CA and then the certificates in the folder. A pair that cannot be used
// has Err.
func (d Dir) List() ([]Entry, error) {
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	ca, err := d.certificateIn(authorityName)
	if err != nil {
		return nil, err
	}
	entries := []Entry{{Name: authorityName, Cert: ca, Own: ca.CheckSignatureFrom(ca) == nil, Err: d.fits(authorityName)}}
	if errors.Is(entries[0].Err, ErrHalf) {
		entries[0].Err = nil // its key is kept elsewhere, as it should be
	}
	for _, name := range names {
		e := Entry{Name: name}
		if e.Cert, e.Err = d.Certificate(name); e.Cert != nil {
			e.Own = e.Cert.CheckSignatureFrom(ca) == nil
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Certificate returns the certificate of a pair. With an error about its key, it returns
// both.
func (d Dir) Certificate(name string) (*x509.Certificate, error) {
	if exists(d.nextFile(name)) {
		return nil, fmt.Errorf("%s: %w", name, ErrInterrupted)
	}
	cert, err := d.certificateIn(name)
	if err != nil {
		return nil, err
	}
	return cert, d.fits(name)
}

// certificateIn reads the certificate of a pair, without its key.
func (d Dir) certificateIn(name string) (*x509.Certificate, error) {
	text, _, err := ownedfile.Read(d.CertFile(name), ownedfile.Rule{Max: maxFile})
	if err != nil {
		return nil, d.unreadable(name, err)
	}
	cert, err := ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.CertFile(name), err)
	}
	return cert, nil
}

// fits reports why certificate and key of a pair cannot be used together.
func (d Dir) fits(name string) error {
	pair, err := d.read(name)
	if err != nil {
		return err
	}
	if _, _, err := pair.Parse(); err != nil {
		return fmt.Errorf("%s: %w", d.CertFile(name), err)
	}
	return nil
}
