package main

import (
	"os"
	"path/filepath"
	"testing"

	"usher/app/apptest"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/issuer/keyring"
)

// TestCheckRetiredIssuer: if a server expects a retired issuer, no hint says to restore
// its seed, because it may be compromised.
func TestCheckRetiredIssuer(t *testing.T) {
	t.Parallel()
	stolen, fresh := callouttest.NewKeys(t), callouttest.NewKeys(t)
	fresh.XKey, fresh.XKeySeed = stolen.XKey, stolen.XKeySeed
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: stolen, Sealed: true})
	dir := callouttest.KeyringDir(t, true, fresh)
	state := "keys:\n  - {kind: issuer, public_key: " + stolen.Issuer + ", state: retired, since: 2026-01-02T03:04:05Z}\n"
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, keyring.StateFile), []byte(state), 0o600))
	c := checkLive(t, apptest.ConfigFor(t, srv, dir, nil))
	want := operatorFault{
		check: "issuer", severity: "error", detail: stolen.Issuer + ", which is retired",
		hint: "was retired on 2026-01-02; set auth_callout.issuer to " + fresh.Issuer + " and restart the server",
	}
	if c.code != cmdutil.ExitConfig || !want.found(&c) {
		t.Errorf("exit code %d\n%s", c.code, c)
	}
	c.never(t, "seed")
}
