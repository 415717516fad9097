package server_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/config"
	"usher/app/server"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/tokens/apikey"
)

// serve starts the usher of a site. stop waits until it has ended.
func serve(t *testing.T, in apptest.Site) (log *callouttest.Buffer, stop func()) {
	t.Helper()
	log = &callouttest.Buffer{}
	cfg, err := config.Load(in.Config())
	callouttest.Must(t, err)
	srv, err := server.New(cfg, log)
	callouttest.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopping: %v\n%s", err, log)
		}
	}
	t.Cleanup(stop)
	callouttest.Eventually(t, "usher is ready", func() bool { return srv.Ready() == nil })
	return log, stop
}

// TestSessionsOverRestart: a single usher knows its sessions after a restart, and starts
// without them if their file is damaged.
func TestSessionsOverRestart(t *testing.T) {
	t.Parallel()
	key, err := apikey.New(rand.Reader)
	callouttest.Must(t, err)
	in := apptest.NewSite(t, func(o *setup.Options) {
		o.Directory = []byte("users:\n- {name: alice, service_roles: [service_admin], keys: [{digest: " + directory.DigestOf(key).String() + "}]}\nprojects: []\n")
	})
	in.NatsServer(t)
	path := in.Path(setup.FileState)
	_, stop := serve(t, in)
	apptest.Connected(t, in.URL, nats.Token(key), nats.CustomInboxPrefix("_INBOX_alice"))
	stop()
	info, err := os.Stat(path)
	callouttest.Must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %s", info.Mode())
	}
	log, stop := serve(t, in)
	if !strings.Contains(log.String(), `msg="live sessions of before the restart" sessions=1`) {
		t.Errorf("the session is not known:\n%s", log)
	}
	stop()

	callouttest.Must(t, os.WriteFile(path, []byte("damaged"), 0o600))
	log, _ = serve(t, in)
	if !strings.Contains(log.String(), "the file of sessions is damaged") {
		t.Errorf("the damaged file is not reported:\n%s", log)
	}
}
