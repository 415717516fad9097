package listener

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// Certificate is a pair of files, read again when one of them has changed.
type Certificate struct {
	CertFile, KeyFile string
	AllowGroup        bool // a key file that its group can read is accepted
	Log               *slog.Logger

	mu   sync.Mutex
	pair *tls.Certificate
	seen [2]time.Time
}

// Get returns the certificate; if the files are not good, the last one that was.
func (c *Certificate) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := [2]time.Time{modified(c.CertFile), modified(c.KeyFile)}
	if c.pair != nil && seen == c.seen {
		return c.pair, nil
	}
	c.seen = seen
	pair, err := c.Load()
	switch {
	case err == nil:
		c.pair = pair
	case c.pair == nil:
		return nil, err
	default:
		c.Log.Error("the certificate of the API cannot be read again, the last good one stays", slog.String("error", err.Error()))
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
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

func modified(path string) time.Time {
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
