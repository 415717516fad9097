package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usher/internal/fault"
	"usher/internal/secretfile"
)

// fileDevAddr holds HOST:PORT of the nats-server that runs in a dev directory.
const fileDevAddr = "run/dev.addr"

// devAnswers is how long whoever listens at that address may take to be found.
const devAnswers = time.Second

func AddrFile(dir string) string { return filepath.Join(dir, filepath.FromSlash(fileDevAddr)) }

// CheckUnused fails if another "usher dev" runs in dir: two of them would write to one
// JetStream store. An address that nobody listens at was left behind by one that
// was killed.
func CheckUnused(ctx context.Context, dir string) error {
	f, err := os.Open(AddrFile(dir))
	if err != nil {
		return nil // not there; if it cannot be read, it cannot be written either, and that is said
	}
	defer f.Close() //nolint:errcheck // read only
	addr, err := secretfile.ReadLine(f, AddrFile(dir))
	if err != nil {
		return nil // no address: nobody to find
	}
	dialer := net.Dialer{Timeout: devAnswers}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil // nobody is there
	}
	_ = c.Close() // nothing was sent
	return &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("%s is in use by another usher dev, at %s", dir, addr),
		Hint: "end that one, or give another --dir; if something else listens there, remove " + AddrFile(dir),
	}
}

// claim says that a server runs in dir. The caller takes it back with release.
func claim(dir, url string) error {
	_, addr, _ := strings.Cut(url, "://")
	return secretfile.Write(AddrFile(dir), []byte(addr+"\n"))
}

func release(dir string) {
	_ = os.Remove(AddrFile(dir)) // not being there is what we want
}
