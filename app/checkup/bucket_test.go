package checkup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/directory/snapshot"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/kv"
	"usher/internal/fault"
)

// bucketSite is an installation with a running server and its directory in NATS.
type bucketSite struct {
	apptest.Site
	conn *nats.Conn // of the service user
}

// newBucketSite edits the configuration of a server and starts it. edits are pairs of old and
// new text.
func newBucketSite(t *testing.T, operator bool, edits ...string) *bucketSite {
	t.Helper()
	s := &bucketSite{Site: apptest.NewSite(t, func(o *setup.Options) { o.KV, o.Operator = true, operator })}
	for i := 0; i < len(edits); i += 2 {
		s.Edit(t, setup.FileServerConfig, edits[i], edits[i+1])
	}
	s.NatsServer(t)
	opts, err := natsconn.ServiceOptions(s.cfg(t))
	callouttest.Must(t, err)
	s.conn = apptest.Connected(t, s.URL, opts...)
	return s
}

func (s *bucketSite) cfg(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load(s.Config())
	callouttest.Must(t, err)
	return cfg
}

// fill creates the bucket with one user, and the snapshot on disk.
func (s *bucketSite) fill(t *testing.T) {
	t.Helper()
	cfg := s.cfg(t)
	callouttest.Must(t, os.MkdirAll(filepath.Dir(cfg.Directory.SnapshotFile), 0o700))
	store, err := kv.Open(kv.Config{Conn: s.conn, Bucket: cfg.Directory.Bucket, Create: true, MaxBytes: int64(cfg.Directory.MaxBytes), Cache: cfg.Directory.SnapshotFile, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	callouttest.Must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- store.Run(ctx) }()
	callouttest.Eventually(t, "the directory is loaded", func() bool { return store.Snapshot() != nil })
	_, err = store.Change(ctx, func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return directory.Put(directory.UserKey(directory.IDOf(directory.KindUser, "ann")), &directory.User{Name: "ann"}), nil
	})
	stop()
	callouttest.Must(t, errors.Join(err, <-ended))
}

func (s *bucketSite) check(t *testing.T) (finding.List, *snapshot.Snapshot) {
	t.Helper()
	var f finding.List
	var snapshot *snapshot.Snapshot
	for range apptest.Attempts {
		f = nil
		if snapshot, _ = checkKVDirectory(t.Context(), &f, s.Config(), s.cfg(t), false); !checkTimedOut(f, apptest.Unanswered) {
			break
		}
		t.Logf("a check timed out, trying again: %+v", f)
	}
	return f, snapshot
}

// TestCheckBucket: a valid bucket has no warnings, in both modes, and check creates nothing.
func TestCheckBucket(t *testing.T) {
	t.Parallel()
	for _, operator := range []bool{false, true} {
		s := newBucketSite(t, operator)
		f, snapshot := s.check(t)
		findingtest.Holds(t, f, fault.None, "directory", "warning", "does not exist yet")
		findingtest.Holds(t, f, fault.None, "snapshot", "ok", "none yet")
		if js, err := jetstream.New(s.conn); snapshot != nil || err != nil || !noBucket(t, js) {
			t.Errorf("check created the bucket: %v", err)
		}
		s.fill(t)
		before, err := os.Stat(s.Path(setup.FileSnapshot))
		callouttest.Must(t, err)
		f, snapshot = s.check(t)
		findingtest.Holds(t, f, fault.None, "snapshot", "ok", "s old, at revision")
		for _, x := range f {
			if x.Severity != finding.OK {
				t.Errorf("%+v", x)
			}
		}
		if _, ok := snapshot.User("ann"); !ok {
			t.Error("the directory was not read")
		}
		if after, err := os.Stat(s.Path(setup.FileSnapshot)); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("the snapshot was written: %v", err)
		}
	}
}

// TestCheckLostBucket: check distinguishes a deleted bucket from one that does not exist yet.
func TestCheckLostBucket(t *testing.T) {
	t.Parallel()
	s := newBucketSite(t, false)
	s.fill(t)
	js, err := jetstream.New(s.conn)
	callouttest.Must(t, err)
	callouttest.Must(t, js.DeleteKeyValue(t.Context(), "usher_directory"))
	f, snapshot := s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "is gone")
	for _, x := range f {
		if move := "if you moved the folder: usher init --moved " + s.Path("."); x.Check == "directory" && x.Severity == finding.Error && !strings.HasPrefix(x.Hint, move) {
			t.Errorf("the hint does not begin with %q: %s", move, x.Hint)
		}
	}
	for _, x := range CheckBucket(t.Context(), s.cfg(t), s.conn) {
		if !strings.HasPrefix(x.Hint, "if you moved the folder: usher init --moved DIR, ") {
			t.Errorf("%+v", x)
		}
	}
	if snapshot == nil {
		t.Error("the snapshot on disk was not read")
	}
}

func noBucket(t *testing.T, js jetstream.JetStream) bool {
	t.Helper()
	_, err := js.KeyValue(t.Context(), "usher_directory")
	return errors.Is(err, jetstream.ErrBucketNotFound)
}

// TestCheckBucketSettings: check finds a bucket with settings that usher cannot use or that
// differ from the configuration.
func TestCheckBucketSettings(t *testing.T) {
	t.Parallel()
	s := newBucketSite(t, false)
	s.Edit(t, setup.FileConfig, "#create_bucket: true", "create_bucket: false")
	f, _ := s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "directory.create_bucket is false")
	s.Edit(t, setup.FileConfig, "create_bucket: false", "create_bucket: false\n  replicas: 3")
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "is in no cluster")

	js, err := jetstream.New(s.conn)
	callouttest.Must(t, err)
	_, err = js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "usher_directory", History: 5})
	callouttest.Must(t, err)
	f, snapshot := s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "not suitable for a directory")
	if snapshot != nil {
		t.Error("an unsuitable bucket was read")
	}
	callouttest.Must(t, js.DeleteKeyValue(t.Context(), "usher_directory"))
	s.fill(t)
	s.Edit(t, setup.FileConfig, "#storage: file", "storage: memory")
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.None, "directory", "warning", "has 1 replica, directory.replicas is 3")
	findingtest.Holds(t, f, fault.None, "directory", "warning", "uses file storage, directory.storage is memory")
}

// TestCheckBucketSize: check finds a bucket without a limit, with another limit than the
// configuration, or nearly full.
func TestCheckBucketSize(t *testing.T) {
	t.Parallel()
	s := newBucketSite(t, false)
	s.fill(t)
	js, err := jetstream.New(s.conn)
	callouttest.Must(t, err)
	stream, err := js.Stream(t.Context(), "KV_usher_directory")
	callouttest.Must(t, err)
	resize := func(size int64) finding.List {
		have := stream.CachedInfo().Config
		have.MaxBytes = size
		_, err := js.UpdateStream(t.Context(), have)
		callouttest.Must(t, err)
		f, _ := s.check(t)
		return f
	}
	f, _ := s.check(t)
	findingtest.Holds(t, f, fault.None, "directory", "ok", "bytes of 1073741824")
	findingtest.Holds(t, resize(-1), fault.None, "directory", "warning", "has no max_bytes")
	findingtest.Holds(t, resize(1<<20), fault.None, "directory", "warning", "has max_bytes 1048576, directory.max_bytes is 1073741824")
	// A message that is not an entry counts for the size too.
	_, err = js.Publish(t.Context(), "$KV.usher_directory.turn", make([]byte, 900_000))
	callouttest.Must(t, err)
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.Runtime, "directory", "error", "is nearly full")
}

// TestCheckEntries: check names the entries that cannot be used, and reads the others.
func TestCheckEntries(t *testing.T) {
	t.Parallel()
	s := newBucketSite(t, false)
	s.fill(t)
	js, err := jetstream.New(s.conn)
	callouttest.Must(t, err)
	publish := func(key string) {
		_, err := js.Publish(t.Context(), "$KV.usher_directory."+key, []byte("{"))
		callouttest.Must(t, err)
	}
	publish("nobody.knows")
	f, snapshot := s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "entry nobody.knows (revision ")
	if _, ok := snapshot.User("ann"); !ok {
		t.Error("the directory was not read")
	}
	for i := range 2 * maxListedFaults {
		publish("nobody.knows" + strings.Repeat("x", i+1))
	}
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.Config, "directory", "error", "11 more of its entries")
}

// TestCheckJetStream: check says what JetStream lacks.
func TestCheckJetStream(t *testing.T) {
	t.Parallel()
	const account = "the only user.\n    jetstream: enabled\n"
	for name, tt := range map[string]struct {
		edits  []string
		detail string
	}{
		"not for the account": {[]string{account, "the only user.\n"}, "JetStream is not enabled for account AUTH"},
		"not at all": {
			[]string{account, "the only user.\n", "    jetstream: enabled\n    imports", "    imports", "\njetstream {", "\n# {"},
			"JetStream is not enabled on server usher-nats",
		},
		"no stream":     {[]string{account, "the only user.\n    jetstream: { max_streams: 0, max_file: 1M, max_memory: 1M }\n"}, "may have no stream"},
		"not permitted": {[]string{"{ user: usher, ", `{ user: usher, permissions: { publish: { deny: "$JS.API.>" } }, `}, "denies JetStream to the service user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := newBucketSite(t, false, tt.edits...).check(t)
			findingtest.Holds(t, f, fault.Config, "directory", "error", tt.detail)
		})
	}
}

// TestCheckSnapshot: while the servers are unreachable, check uses the snapshot on disk, if it
// is valid.
func TestCheckSnapshot(t *testing.T) {
	t.Parallel()
	s := newBucketSite(t, false)
	s.fill(t)
	s.conn.Close()
	s.Edit(t, setup.FileConfig, "urls: [nats://", "urls: [nats://127.0.0.1:1] # [nats://")
	f, snapshot := s.check(t)
	findingtest.Holds(t, f, fault.Runtime, "directory", "error", "cannot be reached")
	if _, ok := snapshot.User("ann"); !ok {
		t.Error("the snapshot was not read")
	}
	f = nil
	b := bucketCheck{List: &f, path: s.Config(), cfg: s.cfg(t), where: "bucket"}
	b.snapshotFile(time.Now().Add(maxSnapshotAge + time.Minute))
	findingtest.Holds(t, f, fault.None, "snapshot", "warning", "old: no running usher updates it")

	file := s.Path(setup.FileSnapshot)
	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	callouttest.Must(t, os.WriteFile(file, text[:len(text)-1], 0o600))
	f, snapshot = s.check(t)
	findingtest.Holds(t, f, fault.None, "snapshot", "warning", "is damaged")
	if snapshot != nil {
		t.Error("a damaged snapshot was used")
	}
	s.Edit(t, setup.FileConfig, "snapshot_file: "+setup.FileSnapshot, "snapshot_file: usher.yaml/snapshot")
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.Config, "snapshot", "error", "cannot be written: ")
	s.Edit(t, setup.FileConfig, "  snapshot_file: usher.yaml/snapshot\n", "")
	f, _ = s.check(t)
	findingtest.Holds(t, f, fault.None, "snapshot", "warning", "no snapshot is kept on disk")
	f = nil
	_, _ = checkKVDirectory(t.Context(), &f, s.Config(), s.cfg(t), true)
	findingtest.Holds(t, f, fault.None, "directory", "warning", "not checked")
}

func TestSupportsBuckets(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"2.11.9": false, "2.9.25": false, "1.99.0": false, "2.12.0": true, "2.15.2": true, "3.0.0": true, "2.12.0-RC.1": true, "": true, "new": true,
	} {
		if supportsBuckets(version) != want {
			t.Errorf("%s: not %t", version, want)
		}
	}
}
