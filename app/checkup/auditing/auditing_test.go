package auditing_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/app/checkup/auditing"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/callout/callouttest"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

func TestCheck(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	cfg, err := config.Load(apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, false, keys), map[string]string{
		"nats.user": callouttest.AdminUser, "audit.to": "stream", "audit.file": "spool.jsonl", "audit.replicas": "3",
	})) // the account of that user has JetStream
	callouttest.Must(t, err)
	expect := func(want ...string) {
		t.Helper()
		var f finding.List
		auditing.Check(t.Context(), &f, cfg)
		for i := range f {
			text := fmt.Sprintf("%s %s: %s", f[i].Severity, f[i].Check, f[i].Detail)
			if i >= len(want) || !strings.HasPrefix(text, want[i]) {
				t.Errorf("finding %d: %s", i, text)
			}
			if f[i].Hint == "" && f[i].Severity != finding.OK {
				t.Errorf("finding %d has no hint: %s", i, text)
			}
		}
		if len(f) != len(want) {
			t.Errorf("got %d findings, want %q", len(f), want)
		}
	}
	expect("warning audit stream: there is no stream yet")

	js, err := jetstream.New(apptest.Connected(t, srv.URL(), nats.UserInfo(callouttest.AdminUser, callouttest.Password)))
	callouttest.Must(t, err)
	good := jetstream.StreamConfig{
		Name: cfg.Audit.Stream, Subjects: []string{"usher.audit.>"}, Storage: jetstream.FileStorage, Discard: jetstream.DiscardOld, MaxMsgSize: -1,
		MaxAge: cfg.Audit.MaxAge, MaxBytes: int64(cfg.Audit.MaxBytes), Duplicates: 10 * time.Minute,
	}
	with := func(change func(*jetstream.StreamConfig)) {
		t.Helper()
		// Another one each time: nats-server fails to make one while it removes files of another.
		cfg.Audit.Stream += "X"
		cfg.Audit.Subject += "x"
		c := good
		c.Name, c.Subjects = cfg.Audit.Stream, []string{cfg.Audit.Subject + ".>"}
		change(&c)
		_, err := js.CreateStream(t.Context(), c)
		callouttest.Must(t, err)
	}
	_, err = js.CreateStream(t.Context(), good)
	callouttest.Must(t, err)
	expect("warning audit stream: the stream is stored by 1 server, and audit.replicas is 3", "warning audit stream: who may use JetStream of the account can remove single events")
	cfg.Audit.Replicas = 1
	good.DenyDelete, good.DenyPurge = true, true
	with(func(*jetstream.StreamConfig) {})
	expect("ok audit stream: 0 lines")
	_, err = js.Publish(t.Context(), cfg.Audit.Subject+".decision", []byte("{}"))
	callouttest.Must(t, err)
	expect("ok audit stream: 1 line, the oldest of 20")

	with(func(c *jetstream.StreamConfig) {
		c.Subjects, c.Storage, c.NoAck, c.Retention = []string{"other.>"}, jetstream.MemoryStorage, true, jetstream.InterestPolicy
	})
	expect("error audit stream: the stream does not have the subjects usher.audit", "error audit stream: the stream acknowledges nothing",
		"error audit stream: the retention of the stream is interest", "warning audit stream: the stream is in memory")
	with(func(c *jetstream.StreamConfig) {
		c.Discard, c.MaxMsgSize, c.MaxMsgsPerSubject, c.MaxAge, c.MaxBytes, c.Duplicates = jetstream.DiscardNew, 1<<10, 7, time.Hour, 1<<20, time.Second
	})
	expect("warning audit stream: the stream refuses new events when it is full", "warning audit stream: the stream takes no event above 1024 bytes",
		"error audit stream: the stream keeps only 7 events of each kind", "warning audit stream: the stream keeps events for 1h0m0s, less than audit.max_age",
		"warning audit stream: the stream keeps 1048576 bytes, less than audit.max_bytes", "warning audit stream: JetStream knows repeated events for 1s only")
	with(func(c *jetstream.StreamConfig) { c.MaxAge, c.MaxBytes = 0, -1 }) // keeps more
	expect("ok audit stream: 0 lines")
	with(func(c *jetstream.StreamConfig) {
		c.Subjects, c.Mirror, c.DenyPurge, c.DenyDelete = nil, &jetstream.StreamSource{Name: "OTHER"}, false, false
	})
	expect("error audit stream: the stream is a mirror", "warning audit stream: who may")

	cfg.Audit.SpoolBytes = 20
	callouttest.Must(t, os.WriteFile(cfg.Audit.File, []byte("{}\n{}\n{}\n{}\n"), 0o600))
	with(func(*jetstream.StreamConfig) {})
	expect("ok audit stream: 0 lines", "warning audit spool: 12 bytes wait to be stored, of audit.spool_bytes 20")
	cfg.Audit.File = ""
	expect("ok audit stream: 0 lines", "warning audit spool: events that wait while JetStream is away are in memory alone")
	cfg.Audit.To = config.AuditFile
	expect()
}

// Without JetStream nothing is stored, and check says so.
func TestNoJetStream(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	cfg, err := config.Load(apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, false, keys), map[string]string{"audit.to": "stream", "audit.file": "spool.jsonl"}))
	callouttest.Must(t, err)
	var f finding.List
	auditing.Check(t.Context(), &f, cfg)
	if len(f) != 1 || f[0].Severity != finding.Error || !strings.Contains(f[0].Detail, "no JetStream") {
		t.Errorf("%+v", f)
	}
}
