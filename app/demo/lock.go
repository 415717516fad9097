package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"usher/internal/fault"
	"usher/internal/secretfile"
)

// fileDevAddr is the file with the HOST:PORT of the nats-server that runs in a dev directory.
const fileDevAddr = "run/dev.addr"

// devAnswers limits the attempt to connect to that address.
const devAnswers = time.Second

// AddrFile returns the path of that file in a dev directory.
func AddrFile(dir string) string { return filepath.Join(dir, filepath.FromSlash(fileDevAddr)) }

// CheckUnused fails if another "usher dev" runs in dir: two would write to one JetStream
// store. An address at which no process listens is from one that was killed.
func CheckUnused(ctx context.Context, dir string) error {
	f, err := os.Open(AddrFile(dir))
	if err != nil {
		return nil // there is none; or Claim reports why it cannot be written
	}
	defer f.Close() //nolint:errcheck // read only
	addr, err := secretfile.ReadLine(f, AddrFile(dir))
	if err != nil {
		return nil // no address
	}
	dialer := net.Dialer{Timeout: devAnswers}
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil // no process listens
	}
	_ = c.Close() // nothing was sent
	return &fault.Error{
		Kind: fault.Runtime, Err: fmt.Errorf("%s is in use by another usher dev, at %s", dir, addr),
		Hint: "end that one, or give another --dir; if something else listens there, remove " + AddrFile(dir),
	}
}

// CheckFolder fails if a folder without demo.json has files: they are of something else, and
// keys would lie among them. A folder that does not exist is fine.
func CheckFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.InConfig(err)
	}
	for _, entry := range entries {
		if entry.Name() != lostAndFound {
			return &fault.Error{
				Kind: fault.Config, Err: fmt.Errorf("%s is not empty, and usher dev has not made it", dir),
				Hint: "give a --dir that is empty or does not exist yet, or one that usher dev has made",
			}
		}
	}
	return nil
}

// lostAndFound is in the root folder of a file system, such as an empty volume.
const lostAndFound = "lost+found"

// Claim writes the address of the server that runs in dir. The caller removes it with
// Release.
func Claim(dir, url string) error {
	_, addr, _ := strings.Cut(url, "://")
	return secretfile.Write(AddrFile(dir), []byte(addr+"\n"))
}

// Release removes the address of a server that has stopped.
func Release(dir string) {
	_ = os.Remove(AddrFile(dir)) // it may be gone already
}
