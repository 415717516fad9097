package devserver

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/internal/ownedfile"
)

// ErrStoreInUse: another process keeps its directory there.
var ErrStoreInUse = errors.New("in use by another usher")

// maxStore is more than there is: the server sets aside what buckets may hold at
// most, and would refuse one that may get larger than the disk has room now.
const maxStore = 1 << 50

// Store is a nats-server that listens on nothing and keeps what this process
// stores with JetStream.
type Store struct {
	srv  *server.Server
	lock *flock.Flock
}

// StartStore starts one that keeps its files in dir, which one process at a time
// may use: ErrStoreInUse otherwise.
func StartStore(dir string) (*Store, error) {
	if err := ownedfile.MakeFolder(dir); err != nil { // it says who gets in
		return nil, fmt.Errorf("embedded store: %w", err)
	}
	file := filepath.Join(dir, ".lock")
	flags, err := ownedfile.MakeLockFile(file, nil)
	if err != nil {
		return nil, fmt.Errorf("embedded store: %w", err)
	}
	lock := flock.New(file, flock.SetFlag(flags), flock.SetPermissions(0o600))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("embedded store: %w", err)
	case !ok:
		return nil, fmt.Errorf("%s: %w", dir, ErrStoreInUse)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName: "usher-store", DontListen: true, JetStream: true, StoreDir: filepath.ToSlash(dir), NoSigs: true, NoLog: true,
		SyncInterval: time.Second, JetStreamMaxStore: maxStore,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded store: %w", err), lock.Unlock())
	}
	srv.Start()
	if !srv.ReadyForConnections(readyWithin) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, errors.Join(fmt.Errorf("embedded store: JetStream does not start in %s", dir), lock.Unlock())
	}
	return &Store{srv, lock}, nil
}

// Connect connects to it, within this process.
func (s *Store) Connect(options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(options, nats.InProcessServer(s.srv))...)
}

// Stop ends the server, and lets others have its files.
func (s *Store) Stop() error {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	return s.lock.Unlock()
}
