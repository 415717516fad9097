package checkup

import (
	"strings"
	"testing"

	"usher/app/config"
)

// TestSecretHint: the hint names the file with the credential of the service user.
func TestSecretHint(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]config.NATS{
		"nats.password_file": {PasswordFile: "a"}, "nats.nkey_file": {NKeyFile: "a"}, "nats.creds_file": {CredsFile: "a"},
	} {
		s := serverCheck{cfg: &config.Config{NATS: want}}
		if hint := s.secretHint(); !strings.HasPrefix(hint, key) {
			t.Errorf("%s: %s", key, hint)
		}
	}
}
