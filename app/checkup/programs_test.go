package checkup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/fault"
	"usher/issuer/keyring"
)

// TestCheckPrograms: check finds a program that does not sign.
func TestCheckPrograms(t *testing.T) {
	t.Parallel()
	program := callouttest.Build(t, "signer", "usher/issuer/testdata/signer")
	keys, other := callouttest.NewKeys(t), callouttest.NewKeys(t)
	seed, wrong := filepath.Join(t.TempDir(), "a.nk"), filepath.Join(t.TempDir(), "b.nk")
	callouttest.WriteSeed(t, seed, keys.IssuerSeed)
	callouttest.WriteSeed(t, wrong, other.IssuerSeed)
	for _, tt := range []struct {
		name, argv string
		severity   finding.Severity
		detail     string
		kind       fault.Kind
	}{
		{"it signs", fmt.Sprintf("base64, %q", seed), "ok", "signs for " + keys.Issuer, fault.None},
		{"with another key", fmt.Sprintf("base64, %q", wrong), "error", "does not sign for " + keys.Issuer + ": " + program + ": not a signature of this key", fault.Config},
		{"not at all", "fail, sealed", "error", "does not sign for " + keys.Issuer + ": run " + program + ": exit status 3: vault is sealed: sealed", fault.Runtime},
		{"never", "hang", "error", "does not sign for " + keys.Issuer + ": run " + program + ": context deadline exceeded", fault.Runtime},
	} {
		dir := t.TempDir()
		text := fmt.Sprintf("keys:\n  - {kind: issuer, state: active, public_key: %s, command: [%q, %s]}\n", keys.Issuer, program, tt.argv)
		callouttest.Must(t, os.WriteFile(filepath.Join(dir, keyring.StateFile), []byte(text), 0o600))
		k, err := keyring.Load(dir, keyring.Config{})
		callouttest.Must(t, err)
		var f finding.List
		cfg := config.Default()
		cfg.Callout.Budget = time.Minute // a program that takes half of it gets a warning
		if tt.argv == "hang" {
			cfg.Callout.Budget = 100 * time.Millisecond
		}
		checkPrograms(t.Context(), &f, &cfg, k)
		if len(f) != 1 || f[0].Severity != tt.severity || f[0].Where != program || !strings.HasPrefix(f[0].Detail, tt.detail) || f[0].Kind != tt.kind {
			t.Errorf("%s: got %+v", tt.name, f)
		}
	}
}
