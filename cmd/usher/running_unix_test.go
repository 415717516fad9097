//go:build unix

package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestConfigDiff: an usher that was started with a relative path uses what the file says, and the
// file can be named in any way. After a change, the keys that differ are named with what they need.
func TestConfigDiff(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	p := start(t, "sh", "-c", `cd "$1" && exec usher serve -c site/usher.yaml`, "sh", filepath.Dir(in.Dir))
	in.waitReady(t, p)
	diff := func() (keys []string) {
		t.Helper()
		code, stdout, stderr := usher(t, "config", "diff", "-c", in.Config(), "--json")
		if code != cmdutil.ExitOK {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		var all []struct {
			Differences []struct{ Key, Effect string }
		}
		callouttest.Must(t, json.Unmarshal([]byte(stdout), &all))
		if len(all) != 1 {
			t.Fatalf("%d ushers", len(all))
		}
		for _, d := range all[0].Differences {
			keys = append(keys, d.Key+" "+d.Effect)
		}
		return keys
	}
	if got := diff(); len(got) > 0 {
		t.Errorf("without a change: %q", got)
	}
	in.Edit(t, setup.FileConfig, "keyring:", "callout: {budget: 1900ms}\nlog: {level: debug}\nkeyring:")
	callouttest.Eventually(t, "usher has read the file, and one key needs a restart", func() bool {
		return slices.Equal(diff(), []string{"callout.budget restart"})
	})
	code, stdout, stderr := usher(t, "reload", "-c", in.Config())
	if code != cmdutil.ExitOK || !strings.Contains(stdout, "needs a restart: callout.budget") {
		t.Errorf("reload: %d\n%s%s", code, stdout, stderr)
	}
}
