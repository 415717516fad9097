package revocation

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// crlFiles are the CRLs that somebody else puts into files.
type crlFiles struct {
	paths []string
	max   int64
	log   *slog.Logger

	mu   sync.Mutex
	read map[string]*crlFile
}

type crlFile struct {
	list     *crl
	modified time.Time
	size     int64
	signed   map[[sha256.Size]byte]error // by CA: the result of the check of the signature
}

// load reads all files.
func (f *crlFiles) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = make(map[string]*crlFile, len(f.paths))
	for _, path := range f.paths {
		file, err := readCRLFile(path, f.max)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		f.read[path] = file
	}
	return nil
}

// reload reads the files that have changed. A file that cannot be read leaves the CRL
// that was read before, which is good until its nextUpdate.
func (f *crlFiles) reload() {
	for _, path := range f.paths {
		f.mu.Lock()
		old := f.read[path]
		f.mu.Unlock()
		info, err := os.Stat(path)
		if old == nil || err == nil && info.ModTime().Equal(old.modified) && info.Size() == old.size {
			continue
		}
		file, err := readCRLFile(path, f.max)
		if err != nil {
			f.log.Error("cannot reload a CRL; the previous one stays in use", slog.String("file", path), slog.String("error", err.Error()))
			continue
		}
		f.mu.Lock()
		f.read[path] = file
		f.mu.Unlock()
	}
}

func readCRLFile(path string, limit int64) (*crlFile, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, fmt.Errorf("the CRL has more than %d bytes", limit)
	}
	list, err := parseCRL(raw)
	if err != nil {
		return nil, err
	}
	return &crlFile{list: list, modified: info.ModTime(), size: info.Size(), signed: map[[sha256.Size]byte]error{}}, nil
}

// find returns the newest CRL that tells about cert, or the reason why there is none.
func (f *crlFiles) find(cert, issuer *x509.Certificate, now time.Time) (*crl, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var best *crl
	problem := errNoSource
	for _, path := range f.paths {
		file := f.read[path]
		if file == nil || string(file.list.parsed.RawIssuer) != string(issuer.RawSubject) {
			continue
		}
		err := file.list.covers(cert, issuer, now)
		if err == nil {
			err = file.signedBy(issuer)
		}
		switch {
		case err != nil && errors.Is(problem, errNoSource):
			problem = fmt.Errorf("%s: %w", path, err)
		case err == nil && (best == nil || file.list.parsed.ThisUpdate.After(best.parsed.ThisUpdate)):
			best = file.list
		}
	}
	if best != nil {
		return best, nil
	}
	return nil, problem
}

func (f *crlFile) signedBy(issuer *x509.Certificate) error {
	ca := sha256.Sum256(issuer.Raw)
	err, known := f.signed[ca]
	if !known {
		err = f.list.parsed.CheckSignatureFrom(issuer)
		f.signed[ca] = err
	}
	return err
}
