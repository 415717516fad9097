package checkup

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/deployment"
	"usher/directory/kv"
	"usher/directory/kv/quota"
	"usher/internal/fault"
	"usher/internal/plural"
	"usher/internal/shellword"
)

// CheckBucket checks JetStream and the bucket of the directory over nc, a connection of the
// service user. The hints assume that the configuration is usher.yaml.
func CheckBucket(ctx context.Context, cfg *config.Config, nc *nats.Conn) finding.List {
	var f finding.List
	b := bucketCheck{List: &f, path: "usher.yaml", folder: "DIR", cfg: cfg, where: "bucket " + cfg.Directory.Bucket}
	if b.jetStream(ctx, nc) {
		b.bucket(ctx, nc)
	}
	return f
}

// bucketCheck checks a directory that is a bucket in NATS.
type bucketCheck struct {
	*finding.List
	path   string // of the configuration
	folder string // of the configuration; DIR: unknown
	cfg    *config.Config
	where  string
}

// jetStream reports whether the server can keep a bucket for the service user.
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

// enableHint says how to enable JetStream for the callout account.
func (b *bucketCheck) enableHint() string {
	account := b.cfg.Accounts.Callout
	if b.cfg.NATS.Mode == config.ModeOperator {
		return "nsc edit account -n " + account + " --js-disk-storage -1 --js-streams -1 --js-consumer -1; then push it to the resolver"
	}
	return "jetstream: enabled in account " + account + " of the server's configuration"
}

// streamLimit reports whether the account can have the stream of the bucket.
func (b *bucketCheck) streamLimit(nc *nats.Conn, account *jetstream.AccountInfo) bool {
	switch limit := account.Limits.MaxStreams; {
	case account.Streams > 0: // one of them may be the bucket
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

// bucket checks the settings of the bucket, and reports whether usher can use it.
func (b *bucketCheck) bucket(ctx context.Context, nc *nats.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, deployment.RequestTimeout)
	defer cancel()
	d := &b.cfg.Directory
	info, err := kv.Inspect(ctx, kv.Config{Conn: nc, Bucket: d.Bucket, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	const bootstrap = "create it and the first service admin: usher bootstrap -c "
	switch {
	case errors.Is(err, kv.ErrNoBucket) && d.SnapshotFile != "" && exists(d.SnapshotFile):
		b.Fail(fault.Config, "directory", b.where, b.lostHint(), "is gone: usher serves the snapshot on disk and creates no new bucket")
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

// lostHint says how to get a lost bucket back. The step that gives the directory up comes
// last.
func (b *bucketCheck) lostHint() string {
	d := &b.cfg.Directory
	hint := "restore it with nats stream restore. To give the directory up and begin with an empty one, remove " + d.SnapshotFile + ", then usher bootstrap -c " + shellword.Quote(b.path)
	if d.From == config.DirectoryEmbedded { // its folder is in usher.yaml, not in nats-server.conf
		return hint
	}
	return "if you moved the folder: usher init --moved " + shellword.Quote(b.folder) + ", and restart nats-server; otherwise " + hint
}

// settings compares the bucket with what the configuration gives to a new one. A difference
// is not an error, and usher does not change the bucket.
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

// size compares the size of the bucket with its limit, and the limit with the configuration.
func (b *bucketCheck) size(u quota.Usage) {
	d := &b.cfg.Directory
	set := "nats stream edit KV_" + d.Bucket + " --max-bytes "
	raise := set + strconv.FormatInt(2*max(u.Limit, u.Bytes), 10)
	configured := set + strconv.Itoa(d.MaxBytes) + "; or set directory.max_bytes"
	if d.From == config.DirectoryEmbedded { // usher serve sets the limit itself
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

// supportsBuckets reports whether a nats-server of this version commits several entries of a
// bucket as one batch, which usher needs.
func supportsBuckets(version string) bool {
	r, ok := parseRelease(version)
	return !ok || r.has(atomicBatch) // assume it of an unknown version
}

// needsRelease says that a server is too old.
func needsRelease(nc *nats.Conn) string {
	return "a directory in NATS needs nats-server 2.12 or later; server " + nc.ConnectedServerName() + " is " + nc.ConnectedServerVersion()
}
