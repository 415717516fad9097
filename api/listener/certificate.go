package listener

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// Certificate is a TLS certificate in two files. It is reloaded when one of them changes.
type Certificate struct {
	Key               string // of the configuration, such as api.tls
	CertFile, KeyFile string
	AllowGroup        bool // accepts a key file that its group can read
	Log               *slog.Logger

	mu       sync.Mutex
	pair     *tls.Certificate
	modified [2]time.Time // of the files when they were loaded
}

// Get is GetCertificate of a tls.Config. If the files cannot be loaded, it returns the
// certificate that was loaded last.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	modified := [2]time.Time{modTime(c.CertFile), modTime(c.KeyFile)}
	if c.pair != nil && modified == c.modified {
		return c.pair, nil
	}
	c.modified = modified
	pair, err := c.Load()
	switch {
	case err == nil:
		c.pair = pair
	case c.pair == nil:
		return nil, err
	default:
		c.Log.Error("cannot reload a certificate; the previous one stays in use", slog.String("key", c.Key), slog.String("error", err.Error()))
	}
	return c.pair, nil
}

// Load reads the files, and checks who else can read or write them.
func (c *Certificate) Load() (*tls.Certificate, error) {
	if err := secretfile.Check(c.KeyFile, ownedfile.Rule{Secret: true, GroupRead: c.AllowGroup}); err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	if err := ownedfile.Check(c.CertFile, ownedfile.Rule{}); err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	var path *fs.PathError
	switch {
	case errors.As(err, &path): // names the file
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%s and %s: %w", c.CertFile, c.KeyFile, err)
	}
	return &pair, nil
}

func modTime(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
