package natsconn_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/internal/secretfile"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/callout/callouttest"
)

// TestReadSecret: a secret that stands where its path belongs is not shown.
func TestReadSecret(t *testing.T) {
	const seed = "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX" // made up
	dir := t.TempDir()
	for _, n := range []config.NATS{
		{User: "u", PasswordFile: filepath.Join(dir, seed)},
		{NKeyFile: filepath.Join(dir, seed)},
		{CredsFile: filepath.Join(dir, seed)},
	} {
		_, err := natsconn.ServiceOptions(&config.Config{NATS: n})
		if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "SUAB") ||
			!strings.Contains(err.Error(), "_file: cannot be read: ") || !strings.Contains(err.Error(), "configuration file's directory") {
			t.Errorf("got %v", err)
		}
	}
	for text, want := range map[string]string{
		"\n ": "the file is empty", "a\nb\n": "the file has more than one line",
		strings.Repeat("a", secretfile.MaxSize+1): "the file is too large",
	} {
		path := filepath.Join(dir, "secret")
		callouttest.Must(t, os.WriteFile(path, []byte(text), 0o600))
		if _, err := secretfile.Read(path, false); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
