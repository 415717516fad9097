package checkup

import (
	"os"
	"path/filepath"
	"testing"

	"usher/callout/callouttest"
	"usher/issuer/keyring"
)

// TestRetiredHint: only a retired issuer has this hint.
func TestRetiredHint(t *testing.T) {
	t.Parallel()
	stolen, fresh := callouttest.NewKeys(t), callouttest.NewKeys(t)
	dir := callouttest.KeyringDir(t, true, fresh)
	state := "keys:\n  - {kind: issuer, public_key: " + stolen.Issuer + ", state: retired, since: 2026-01-02T03:04:05Z}\n"
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, keyring.StateFile), []byte(state), 0o600))
	keys, err := keyring.Load(dir, keyring.Config{})
	callouttest.Must(t, err)
	if retiredHint(keys, stolen.Issuer) == "" {
		t.Error("a retired issuer has no hint")
	}
	for _, other := range []string{fresh.Issuer, stolen.XKey, "teapot"} {
		if hint := retiredHint(keys, other); hint != "" {
			t.Errorf("%s: %s", other, hint)
		}
	}
}
