package checkup

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/app/devserver"
	"usher/app/natsconn"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/fault"
	"usher/internal/shellword"
)

// maxListedFaults limits the findings about unusable entries.
const maxListedFaults = 10

// loadTimeout limits the reading of the bucket. A million users take less.
const loadTimeout = 2 * time.Minute

// checkKVDirectory checks the snapshot on disk and the bucket. It returns the directory from
// the bucket, or else from the snapshot, and where it is from; nil: neither can be read.
func checkKVDirectory(ctx context.Context, f *finding.List, path string, cfg *config.Config, offline bool) (_ *snapshot.Snapshot, where string) {
	b := bucketCheck{List: f, path: path, folder: filepath.Dir(path), cfg: cfg, where: "bucket " + cfg.Directory.Bucket}
	saved := b.snapshotFile(time.Now())
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
	return saved, cfg.Directory.SnapshotFile
}

// readEmbedded reads the bucket of an embedded server, unless a running usher uses it.
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
		_ = store.Stop() // nothing was written
	}()
	if !b.bucket(ctx, nc) {
		return nil
	}
	return b.entries(ctx, nc)
}

// readServers checks the bucket of the servers, and reads it; nil: it cannot be read.
func (b *bucketCheck) readServers(ctx context.Context) *snapshot.Snapshot {
	opts, err := natsconn.ServiceOptions(b.cfg)
	if err != nil {
		return nil // reported by checkFiles
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

// entries reads the bucket, and reports the entries that cannot be used.
func (b *bucketCheck) entries(ctx context.Context, nc *nats.Conn) *snapshot.Snapshot {
	store, err := kv.Open(kv.Config{Conn: nc, Bucket: b.cfg.Directory.Bucket, Log: slog.New(slog.DiscardHandler), Now: time.Now}) // without a cache, to read everything
	if err != nil {
		b.Fail(fault.Runtime, "directory", b.where, "look at the log of nats-server", "%v", err)
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, loadTimeout)
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = store.Run(ctx) // always nil
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

// faults reports entries that cannot be used.
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
