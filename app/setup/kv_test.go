package setup_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
)

// TestLiveDirectory: a stock server started with the files stores the directory in the
// account of the service user.
func TestLiveDirectory(t *testing.T) {
	for name, o := range map[string]setup.Options{"config": {}, "operator": {Operator: true}} {
		t.Run(name, func(t *testing.T) {
			o.Dir, o.KV, o.Listen = filepath.Join(t.TempDir(), "site"), true, "127.0.0.1:4222"
			write(t, o)
			cfg, err := config.Load(filepath.Join(o.Dir, setup.FileConfig))
			callouttest.Must(t, err)
			if d := cfg.Directory; d.From != config.DirectoryKV || d.File != "" || d.SnapshotFile != filepath.Join(o.Dir, "run", "directory.snapshot") {
				t.Errorf("%+v", d)
			}
			if cfg.API.Listen != setup.ListenAPI {
				t.Errorf("the API listens on %s", cfg.API.Listen)
			}
			store := openDirectory(t, cfg, startServer(t, o.Dir))
			s, err := store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
				return directory.Put(directory.UserKey(directory.IDOf(directory.KindUser, "ann")), &directory.User{Name: "ann"}), nil
			})
			callouttest.Must(t, err)
			if _, ok := s.User("ann"); !ok {
				t.Error("the user does not exist")
			}
		})
	}
}

// TestServerConfigComments: the comments fit the kind of the installation.
func TestServerConfigComments(t *testing.T) {
	for _, o := range variants() {
		o.Dir = t.TempDir()
		write(t, o)
		text, err := os.ReadFile(filepath.Join(o.Dir, setup.FileServerConfig))
		callouttest.Must(t, err)
		for _, words := range []string{"usher init", " --kv\"", "nats-server 2.12\n", "usher is the only user"} {
			if want := o.KV || words == "usher init"; strings.Contains(string(text), words) != want {
				t.Errorf("%+v: contains %q: %t, want %t", o, words, !want, want)
			}
		}
		if strings.Contains(string(text), "directory.yaml") == (o.KV || o.Operator) {
			t.Errorf("%+v: names directory.yaml: %t", o, strings.Contains(string(text), "directory.yaml"))
		}
	}
}

// startServer starts a nats-server with the files of an installation, on a free port.
func startServer(t *testing.T, dir string) *server.Server {
	t.Helper()
	opts, err := server.ProcessConfigFile(filepath.Join(dir, setup.FileServerConfig))
	callouttest.Must(t, err)
	opts.Port, opts.NoLog, opts.NoSigs = -1, true, true
	s, err := server.NewServer(opts)
	callouttest.Must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server did not start")
	}
	return s
}

// openDirectory opens the directory as the service user.
func openDirectory(t *testing.T, cfg *config.Config, s *server.Server) *kv.Store {
	t.Helper()
	opt := nats.UserCredentials(cfg.NATS.CredsFile)
	if cfg.NATS.CredsFile == "" {
		password, err := os.ReadFile(cfg.NATS.PasswordFile)
		callouttest.Must(t, err)
		opt = nats.UserInfo(cfg.NATS.User, strings.TrimSpace(string(password)))
	}
	var nc *nats.Conn
	callouttest.Eventually(t, "the service user is connected", func() bool { // a busy machine can be slow
		var err error
		if nc, err = nats.Connect(s.ClientURL(), opt); err != nil {
			t.Log(err)
		}
		return err == nil
	})
	t.Cleanup(nc.Close)
	d := cfg.Directory
	store, err := kv.Open(kv.Config{
		Conn: nc, Bucket: d.Bucket, Create: d.CreateBucket, Replicas: d.Replicas, Storage: kv.Storage(d.Storage),
		MaxBytes: int64(d.MaxBytes), Cache: d.SnapshotFile, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
	})
	callouttest.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	callouttest.Eventually(t, "the directory is loaded", func() bool { return store.Snapshot() != nil })
	return store
}
