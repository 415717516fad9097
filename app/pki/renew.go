package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// nextSuffix is of the file with the new key and certificate while a renewal replaces the
// two files of a pair.
const nextSuffix = ".next"

// ErrBusy: another process renews certificates of the folder.
var ErrBusy = errors.New("another process renews certificates there")

// ErrInterrupted: a renewal was interrupted, and certificate and key may not fit. Renew
// finishes it.
var ErrInterrupted = errors.New("its renewal was interrupted")

// Renew replaces a certificate and its key by new ones of the same names, use and lifetime.
//
// Two files cannot be replaced in one step. So the new pair is first written to NAME.next,
// in one step, and this file is removed last. Whatever ends the process, the next Renew
// finds NAME.next and copies it again; until then Pair and List return ErrInterrupted.
func (d Dir) Renew(name string, now time.Time) (*x509.Certificate, error) {
	if err := CheckFileName(name); err != nil {
		return nil, err
	}
	unlock, err := d.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if cert, err := d.finish(name); err != nil || cert != nil {
		return cert, err
	}
	r, err := d.renewal(name, now)
	if err != nil {
		return nil, err
	}
	ca, err := d.Authority()
	if err != nil {
		return nil, err
	}
	if left := ca.Cert.NotAfter.Sub(now); left > 0 {
		r.Lifetime = min(r.Lifetime, left)
	}
	pair, err := ca.Issue(r)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(d.nextFile(name), pair.join(), 0o600, nil); err != nil {
		return nil, fmt.Errorf("new key: %w", err)
	}
	return d.finish(name)
}

// renewal returns the request for a certificate like the present one, which the CA of the
// folder must have signed.
func (d Dir) renewal(name string, now time.Time) (*Request, error) {
	cert, err := d.Certificate(name)
	if err != nil {
		return nil, err
	}
	ca, err := d.certificateIn(authorityName)
	if err != nil {
		return nil, err
	}
	if cert.CheckSignatureFrom(ca) != nil {
		return nil, fmt.Errorf("%s %w: its CA is %q", d.CertFile(name), ErrForeign, cert.Issuer.CommonName)
	}
	if cert.Subject.CommonName != name {
		return nil, fmt.Errorf("%s %w: its common name is %q", d.CertFile(name), ErrForeign, cert.Subject.CommonName)
	}
	for _, path := range []string{d.CertFile(name), d.KeyFile(name)} { // writing would replace a link
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: %w", path, errors.Join(ownedfile.ErrNotRegular, err))
		}
	}
	return requestOf(cert, now)
}

func (d Dir) nextFile(name string) string { return filepath.Join(string(d), name+nextSuffix) }

// finish copies what Renew has left in NAME.next to the files of the pair, and returns the
// certificate. It returns nil if there is nothing.
func (d Dir) finish(name string) (*x509.Certificate, error) {
	text, _, err := ownedfile.Read(d.nextFile(name), ownedfile.Rule{Secret: true, Max: maxFile})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nothing was interrupted
	} else if err != nil {
		return nil, err
	}
	next := split(text)
	cert, _, err := next.Parse()
	if err != nil || cert.Subject.CommonName != name {
		return nil, fmt.Errorf("%s holds no renewed pair of %s: %w", d.nextFile(name), name, errors.Join(ErrForeign, err))
	}
	for _, step := range d.steps(name, next) {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", name, ErrInterrupted, err)
		}
	}
	return cert, nil
}

// steps replace a pair. A process can end before or after each of them.
func (d Dir) steps(name string, next Pair) []func() error {
	return []func() error{
		func() error { return replace(d.KeyFile(name), next.Key, 0o600) },
		func() error { return replace(d.CertFile(name), next.Cert, 0o644) },
		func() error { return os.Remove(d.nextFile(name)) },
	}
}

// replace writes a file anew. It keeps its owner, because a server may run as another user,
// and of its mode what most allows.
func replace(path string, content []byte, most fs.FileMode) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return atomicfile.New(path, content, nil)
	} else if err != nil {
		return err
	}
	return atomicfile.Write(path, content, info.Mode().Perm()&most, atomicfile.KeepOwner(info))
}

// join returns both as one file: the key, then the certificate.
func (p Pair) join() []byte { return append(bytes.Clone(p.Key), p.Cert...) }

// split undoes join.
func split(text []byte) Pair {
	_, cert := pem.Decode(text)
	return Pair{Key: text[:len(text)-len(cert)], Cert: cert}
}

// lock keeps other processes from renewing in the folder until unlock. Some systems cannot
// lock a folder; there two renewals at the same time are the user's risk.
func (d Dir) lock() (unlock func(), err error) {
	if err := ownedfile.CheckFolder(string(d), ownedfile.Rule{Write: true}); err != nil {
		return nil, err
	}
	folder := flock.New(string(d), flock.SetFlag(os.O_RDONLY))
	if locked, err := folder.TryLock(); err == nil && !locked {
		return nil, fmt.Errorf("%s: %w", d, ErrBusy)
	}
	return func() { _ = folder.Close() }, nil
}
