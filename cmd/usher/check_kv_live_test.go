package main

import (
	"strings"
	"testing"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestCheckDirectoryInNATS: check runs beside an usher that serves the directory, and
// without one.
func TestCheckDirectoryInNATS(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitOK, "directory", "warning", "does not exist yet")
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Fatalf("bootstrap: %d %s", code, stderr)
	}
	c := checkLive(t, in.Config())
	c.finds(t, cmdutil.ExitOK, "directory", "ok", "1 user, 1 key")
	c.finds(t, cmdutil.ExitOK, "api", "ok", "is free")
	in.serve(t)
	callouttest.Eventually(t, "it has kept the snapshot", func() bool { return apptest.FileExists(in.Path(setup.FileSnapshot)) })
	c = checkLive(t, in.Config())
	c.finds(t, cmdutil.ExitOK, "api", "ok", "usher responds")
	c.finds(t, cmdutil.ExitOK, "issuer", "ok", "usher-nats")
	for _, f := range c.Findings {
		if f.Severity != "ok" {
			t.Errorf("%+v", f)
		}
	}
}

// TestCheckEmbedded: one usher at a time owns the embedded bucket, so check does not open
// it.
func TestCheckEmbedded(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--kv")
	in.Edit(t, setup.FileConfig, "  from: kv\n", "  from: embedded\n")
	in.Edit(t, setup.FileConfig, "#store_dir: \"\"", "store_dir: store")
	in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitOK, "directory", "warning", "does not exist yet")
	if apptest.FileExists(in.Path("store")) {
		t.Error("it was made by looking")
	}
	if code, _, stderr := usher(t, "bootstrap", "-c", in.Config()); code != cmdutil.ExitOK {
		t.Fatalf("bootstrap: %d %s", code, stderr)
	}
	checkLive(t, in.Config()).finds(t, cmdutil.ExitOK, "directory", "ok", "1 user, 1 key")
	in.serve(t)
	callouttest.Eventually(t, "it has kept the snapshot", func() bool { return apptest.FileExists(in.Path(setup.FileSnapshot)) })
	c := checkLive(t, in.Config())
	c.finds(t, cmdutil.ExitOK, "directory", "ok", "a running usher uses it")
	c.finds(t, cmdutil.ExitOK, "directory", "ok", "1 user, 1 key")
	for _, f := range c.Findings {
		if f.Check == "directory" && f.Severity == "ok" && strings.HasPrefix(f.Detail, "1 user") && f.Where != in.Path(setup.FileSnapshot) {
			t.Errorf("%+v", f)
		}
	}
}
