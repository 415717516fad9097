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

// ErrStoreInUse: another process uses the store.
var ErrStoreInUse = errors.New("in use by another usher")

// maxStore exceeds every disk. nats-server reserves the maximum size of a bucket, and
// would refuse a bucket whose maximum exceeds the free disk space.
const maxStore = 1 << 50

// Store is a nats-server without a listener. It stores this process's JetStream data.
type Store struct {
	srv  *server.Server
	lock *flock.Flock
}

// StartStore starts a Store with its files in dir. Only one process can use dir at a
// time; the error is ErrStoreInUse if another one does.
func StartStore(dir string) (*Store, error) {
	if err := ownedfile.MakeFolder(dir); err != nil { // its content decides who gets in
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
	if !srv.ReadyForConnections(startTimeout) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, errors.Join(fmt.Errorf("embedded store: JetStream did not start in %s", dir), lock.Unlock())
	}
	return &Store{srv, lock}, nil
}

// Connect returns an in-process connection to the server.
func (s *Store) Connect(options ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(options, nats.InProcessServer(s.srv))...)
}

// Stop stops the server and releases its files.
func (s *Store) Stop() error {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	return s.lock.Unlock()
}
