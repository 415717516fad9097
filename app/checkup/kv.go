package checkup

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/internal/fault"
	"usher/internal/plural"
	"usher/internal/secretfile"
	"usher/internal/shellword"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/devserver"
	"usher/app/natsconn"
	"usher/directory/kv"
	"usher/directory/kv/quota"
	"usher/directory/snapshot"
	"usher/internal/ownedfile"
)

const (
	// maxSnapshotAge is how old the snapshot on disk gets only where no usher keeps it:
	// a running one dates it anew every ten minutes.
	maxSnapshotAge = 30 * time.Minute

	// maxListedFaults is how many entries that cannot be read are shown.
	maxListedFaults = 10
)

// checkBucket looks at a directory that is a bucket: what is kept of it on disk, then the
// bucket itself. It returns the directory, as current as it can be had, and where
// that is; nil: not at all. It makes no bucket, and does not write what is on disk.
func checkBucket(ctx context.Context, f *finding.List, path string, cfg *config.Config, offline bool) (_ *snapshot.Snapshot, where string) {
	b := bucketCheck{List: f, path: path, cfg: cfg, where: "bucket " + cfg.Directory.Bucket}
	kept := b.snapshotFile(time.Now())
	var s *snapshot.Snapshot
	switch {
	case cfg.Directory.From == config.DirectoryEmbedded:
		s = b.readEmbedded(ctx)
	case offline:
		f.Warn("directory", b.where, "omit --offline", "not checked: that needs the servers")
	default:
		s = b.readServers(ctx)
	}
	if s != nil {
		return s, b.where
	}
	return kept, cfg.Directory.SnapshotFile
}

// CheckBucket looks at JetStream and the bucket over a connection of the service user.
func CheckBucket(ctx context.Context, cfg *config.Config, nc *nats.Conn) finding.List {
	var f finding.List
	b := bucketCheck{List: &f, path: "usher.yaml", cfg: cfg, where: "bucket " + cfg.Directory.Bucket}
	if b.jetStream(ctx, nc) {
		b.bucket(ctx, nc)
	}
	return f
}

// bucketCheck looks at the bucket of a directory.
type bucketCheck struct {
	*finding.List
	path  string // of the configuration
	cfg   *config.Config
	where string
}

// kept looks at the snapshot on disk.
func (b *bucketCheck) snapshotFile(now time.Time) *snapshot.Snapshot {
	const check = "snapshot"
	file := b.cfg.Directory.SnapshotFile
	if file == "" {
		b.Warn(check, "", "set directory.snapshot_file", "no snapshot is kept on disk: an usher cannot start while the bucket is unreachable")
		return nil
	}
	if err := canWrite(filepath.Dir(file)); err != nil {
		b.Fail(fault.Config, check, file, "directory.snapshot_file must be in a folder that usher can write to", "cannot be written: %v", err)
	}
	s, status, err := kv.ReadCache(file, b.cfg.Directory.Bucket)
	switch age := now.Sub(status.Checked).Round(time.Second); {
	case errors.Is(err, fs.ErrNotExist):
		b.OK(check, file, "none yet: a running usher writes it")
	case err != nil:
		b.Warn(check, file, "a running usher writes it again; an usher that starts while NATS is down must wait",
			"cannot be used: %v", secretfile.WithoutPath(err))
	case age > maxSnapshotAge:
		b.Warn(check, file, "usher serve -c "+shellword.Quote(b.path)+"; if it is running, its log says why it cannot write the file",
			"is %v old: no running usher updates it", age)
	default:
		b.OK(check, file, "%v old, at revision %d", max(age, 0), status.Revision)
	}
	return s
}

// canWrite reports why no file can be made in dir, or where dir has to be made.
func canWrite(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch up := filepath.Dir(dir); {
		case errors.Is(err, fs.ErrNotExist) && up != dir:
			dir = up
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
		}
		if err := ownedfile.CheckFolder(dir, ownedfile.Rule{Write: true}); err != nil {
			return err
		}
		f, err := os.CreateTemp(dir, ".usher-check-*")
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
}

// embedded reads the bucket of a usher that does not run.
func (b *bucketCheck) readEmbedded(ctx context.Context) *snapshot.Snapshot {
	dir := b.cfg.Directory.StoreDir
	if !exists(dir) {
		b.Warn("directory", dir, "create it and the first service admin: usher bootstrap -c "+shellword.Quote(b.path), "does not exist yet")
		return nil
	}
	store, err := devserver.StartStore(dir)
	switch {
	case errors.Is(err, devserver.ErrStoreInUse):
		b.OK("directory", dir, "a running usher uses it")
		return nil
	case err != nil:
		b.Fail(fault.Config, "directory", dir, "directory.store_dir must be a folder that only usher uses", "%v", err)
		return nil
	}
	nc, err := store.Connect()
	if err != nil {
		b.Fail(fault.Runtime, "directory", dir, "look into that folder", "%v", errors.Join(err, store.Stop()))
		return nil
	}
	defer func() {
		nc.Close()
		_ = store.Stop() // it was only read
	}()
	if !b.bucket(ctx, nc) {
		return nil
	}
	return b.entries(ctx, nc)
}

// read looks at the bucket, and reads it if it can be read.
func (b *bucketCheck) readServers(ctx context.Context) *snapshot.Snapshot {
	opts, err := natsconn.ServiceOptions(b.cfg)
	if err != nil {
		return nil // files says so
	}
	nc, err := nats.Connect(natsconn.URLs(b.cfg), append(opts, nats.Name("usher-check"), nats.Timeout(deployment.ConnectTimeout), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		b.Fail(fault.Runtime, "directory", b.where, "the connect finding below gives the cause", "cannot be reached: %v", err)
		return nil
	}
	defer nc.Close()
	if !b.jetStream(ctx, nc) || !b.bucket(ctx, nc) {
		return nil
	}
	return b.entries(ctx, nc)
}

// jetStream looks whether the server can keep a bucket for the service user.
func (b *bucketCheck) jetStream(ctx context.Context, nc *nats.Conn) bool {
	if !supportsBuckets(nc.ConnectedServerVersion()) {
		b.Fail(fault.Config, "directory", b.where, "update nats-server", "%s", needsRelease(nc))
		return false
	}
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fail(fault.Runtime, "directory", b.where, "look at the log of nats-server", "%v", err)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	account, err := js.AccountInfo(ctx)
	switch last := nc.LastError(); {
	case errors.Is(last, nats.ErrPermissionViolation):
		b.Fail(fault.Config, "directory", b.where, "the service user must be allowed to publish to $JS.API.>, $JS.ACK.> and $KV."+b.cfg.Directory.Bucket+".>, and to subscribe to _INBOX.>",
			"the server denies JetStream to the service user: %v", last)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		b.Fail(fault.Config, "directory", b.where, b.enableHint(), "JetStream is not enabled for account %s", b.cfg.Accounts.Callout)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		b.Fail(fault.Config, "directory", b.where, "add jetstream { store_dir: … } to the server's configuration, and "+b.enableHint(),
			"JetStream is not enabled on server %s", nc.ConnectedServerName())
	case err != nil:
		b.Fail(fault.Runtime, "directory", b.where, "does the cluster have a JetStream leader? look at the log of nats-server", "JetStream does not answer: %v", err)
	default:
		return b.streamLimit(nc, account)
	}
	return false
}

// enableHint says how the callout account gets JetStream.
func (b *bucketCheck) enableHint() string {
	account := b.cfg.Accounts.Callout
	if b.cfg.NATS.Mode == config.ModeOperator {
		return "nsc edit account -n " + account + " --js-disk-storage -1 --js-streams -1 --js-consumer -1; then push it to the resolver"
	}
	return "jetstream: enabled in account " + account + " of the server's configuration"
}

// room looks whether the account could take one more stream, if it has none yet.
func (b *bucketCheck) streamLimit(nc *nats.Conn, account *jetstream.AccountInfo) bool {
	switch limit := account.Limits.MaxStreams; {
	case account.Streams > 0: // it may well be the bucket
	case limit == 0:
		b.Fail(fault.Config, "directory", b.where, "allow account "+b.cfg.Accounts.Callout+" a stream", "account %s may have no stream", b.cfg.Accounts.Callout)
		return false
	case b.cfg.Directory.Replicas > 1 && nc.ConnectedClusterName() == "":
		b.Fail(fault.Config, "directory", b.where, "remove directory.replicas, or make the server part of a cluster",
			"cannot be created: directory.replicas is %d, and server %s is in no cluster", b.cfg.Directory.Replicas, nc.ConnectedServerName())
		return false
	}
	return true
}

// bucket looks at the bucket's settings.
func (b *bucketCheck) bucket(ctx context.Context, nc *nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	d := &b.cfg.Directory
	info, err := kv.Inspect(ctx, kv.Config{Conn: nc, Bucket: d.Bucket, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	const bootstrap = "create it and the first service admin: usher bootstrap -c "
	switch {
	case errors.Is(err, kv.ErrNoBucket) && d.SnapshotFile != "" && exists(d.SnapshotFile):
		b.Fail(fault.Config, "directory", b.where, "restore it with nats stream restore; or start anew: remove "+d.SnapshotFile+", then usher bootstrap -c "+shellword.Quote(b.path),
			"is gone: usher serves the snapshot on disk and creates no new bucket")
	case errors.Is(err, kv.ErrNoBucket) && d.CreateBucket:
		b.Warn("directory", b.where, bootstrap+shellword.Quote(b.path), "does not exist yet")
	case errors.Is(err, kv.ErrNoBucket):
		b.Fail(fault.Config, "directory", b.where, "set directory.create_bucket: true; "+bootstrap+shellword.Quote(b.path), "does not exist, and directory.create_bucket is false")
	case errors.Is(err, kv.ErrBucket):
		b.Fail(fault.Config, "directory", b.where, "nats stream edit KV_"+d.Bucket+"; or set directory.bucket to a new name, and usher creates it correctly", "%v", err)
	case err != nil:
		b.Fail(fault.Runtime, "directory", b.where, "does the bucket have a leader? nats stream info KV_"+d.Bucket, "%v", err)
	default:
		b.settings(&info.Config)
		b.size(quota.UsageOf(info))
		return true
	}
	return false
}

// keeping compares how the bucket is kept with what a new one would get. Both
// are good, and usher changes neither.
func (b *bucketCheck) settings(have *jetstream.StreamConfig) {
	d := &b.cfg.Directory
	if have.Replicas != d.Replicas {
		b.Warn("directory", b.where, "nats stream edit KV_"+d.Bucket+" --replicas "+strconv.Itoa(d.Replicas)+"; or set directory.replicas",
			"has %s, directory.replicas is %d", plural.Count(have.Replicas, "replica"), d.Replicas)
	}
	if storage := strings.ToLower(have.Storage.String()); storage != d.Storage {
		b.Warn("directory", b.where, "set directory.storage: "+storage+"; the storage of a bucket cannot be changed", "uses %s storage, directory.storage is %s", storage, d.Storage)
	}
}

// size looks at how large the bucket is, and how large it may get.
func (b *bucketCheck) size(u quota.Usage) {
	d := &b.cfg.Directory
	set := "nats stream edit KV_" + d.Bucket + " --max-bytes "
	raise := set + strconv.FormatInt(2*max(u.Limit, u.Bytes), 10)
	configured := set + strconv.Itoa(d.MaxBytes) + "; or set directory.max_bytes"
	if d.From == config.DirectoryEmbedded { // usher serve sets it
		raise, configured = "raise directory.max_bytes", ""
	}
	switch {
	case u.Near():
		b.Fail(fault.Runtime, "directory", b.where, raise+"; or remove entries that are not needed: their markers expire after "+kv.MarkerLife.String(),
			"is nearly full and refuses changes that make it larger: %d of %d bytes", u.Bytes, u.Limit)
	case configured == "":
	case u.Limit == 0:
		b.Warn("directory", b.where, configured, "has no max_bytes: it can fill the disk of the servers")
	case u.Limit != int64(d.MaxBytes):
		b.Warn("directory", b.where, configured, "has max_bytes %d, directory.max_bytes is %d", u.Limit, d.MaxBytes)
	}
	limit := "without a limit"
	if u.Limit > 0 {
		limit = "of " + strconv.FormatInt(u.Limit, 10)
	}
	b.OK("directory", b.where, "%d messages (entries and delete markers), %d bytes %s", u.Messages, u.Bytes, limit)
}

// entries reads the bucket, and says which entries cannot be read.
func (b *bucketCheck) entries(ctx context.Context, nc *nats.Conn) *snapshot.Snapshot {
	store, err := kv.Open(kv.Config{Conn: nc, Bucket: b.cfg.Directory.Bucket, Log: slog.New(slog.DiscardHandler), Now: time.Now}) // without the snapshot: everything is read
	if err != nil {
		b.Fail(fault.Runtime, "directory", b.where, "look at the log of nats-server", "%v", err)
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, loadTimeout)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = store.Run(ctx) // it returns nil
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for store.Status().Checked.IsZero() {
		select {
		case <-tick.C:
		case <-ended:
			b.Fail(fault.Runtime, "directory", b.where, "is the network slow or the server busy?", "could not be read within %v", loadTimeout)
			return nil
		}
	}
	stop()
	<-ended
	b.faults(store.Status().Faults)
	return store.Snapshot()
}

// loadTimeout is how long reading the bucket may take: a million users do within it.
const loadTimeout = 2 * time.Minute

func (b *bucketCheck) faults(faults []kv.Fault) {
	const hint = "is it from a newer usher? otherwise correct or delete it over the API"
	for i, x := range faults {
		if i == maxListedFaults {
			b.Fail(fault.Config, "directory", b.where, "the log of usher serve lists all of them", "%d more of its entries cannot be used", len(faults)-i)
			return
		}
		b.Fail(fault.Config, "directory", b.where, hint, "entry %s (revision %d) cannot be used and grants nothing: %s", x.Key, x.Revision, x.Message)
	}
}

// supportsBuckets reports whether a nats-server of this version changes several
// entries of a bucket as a whole.
func supportsBuckets(version string) bool {
	r, ok := parseRelease(version)
	return !ok || r.has(atomicBatch) // of another version nobody knows
}

func needsRelease(nc *nats.Conn) string {
	return "a directory in NATS needs nats-server 2.12 or later; server " + nc.ConnectedServerName() + " is " + nc.ConnectedServerVersion()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
