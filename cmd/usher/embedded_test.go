package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestEmbedded: a single usher keeps its directory in an embedded server. It is
// bootstrapped before usher runs, because one process at a time owns the store; changes
// over the API survive a restart.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.Edit(t, setup.FileConfig, "  from: kv\n", "  from: embedded\n  store_dir: store\n")
	in.NatsServer(t)
	code, key, stderr := usher(t, "bootstrap", "-c", in.Config())
	if code != cmdutil.ExitOK {
		t.Fatalf("%d %s", code, stderr)
	}
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config()); code != cmdutil.ExitDenied || !strings.Contains(stderr, "not empty") {
		t.Errorf("a second time: %d %s", code, stderr)
	}
	events, err := os.ReadFile(in.Path(setup.FileAudit))
	callouttest.Must(t, err)
	first, second, _ := strings.Cut(string(events), `"reason":"close"`)
	if !strings.Contains(first, `"outcome":"changed","action":"bootstrap"`) || !strings.Contains(second, `"outcome":"refused"`) {
		t.Errorf("not in the audit:\n%s", events)
	}
	api, stop := in.serveAPI(t)
	demoAPI(t, &announced{API: api}, strings.TrimSpace(key), http.MethodPost, "/v1/users/alice", `{}`)
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config()); code != cmdutil.ExitRuntime || !strings.Contains(stderr, "in use by another usher") {
		t.Errorf("while it runs: %d %s", code, stderr)
	}
	stop()
	api, stop = in.serveAPI(t)
	defer stop()
	if u := demoAPI(t, &announced{API: api}, strings.TrimSpace(key), http.MethodGet, "/v1/users/alice", ``); u["name"] != "alice" || u["token"] != nil {
		t.Errorf("%v", u)
	}
	if !apptest.FileExists(filepath.Join(in.Dir, "store")) {
		t.Error("the store is elsewhere")
	}
}

// serveAPI runs usher until stop is called, and returns where its API is.
func (in installation) serveAPI(t *testing.T) (api string, stop func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var stdout, stderr callouttest.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"usher", "serve", "-c", in.Config()}, &stdout, &stderr) }()
	callouttest.Eventually(t, "usher runs", func() bool {
		_, rest, ok := strings.Cut(stderr.String(), `msg="management API" url=`)
		api, _, _ = strings.Cut(rest, "\n")
		return ok && strings.Contains(stderr.String(), "directory loaded")
	})
	return api, func() {
		end()
		if code := <-ended; code != cmdutil.ExitOK {
			t.Errorf("%d\n%s", code, stderr.String())
		}
	}
}
