package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/config"
	"usher/callout/callouttest"
)

// TestPathsLikeSecrets: the long name of a folder may look like a key of usher. Load accepts
// it in a path if the folder exists. A secret without a separator is none, even as the name
// of a file.
func TestPathsLikeSecrets(t *testing.T) {
	const (
		long = "usher_of_the_payments_department"
		key  = "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI"
		seed = "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
	)
	dir := filepath.Join(t.TempDir(), long)
	callouttest.Must(t, os.MkdirAll(filepath.Join(dir, long), 0o700))
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, key), nil, 0o600))
	for path, accepted := range map[string]bool{
		filepath.Join(dir, "service.nk"):       true,
		filepath.Join(dir, "none", "x.nk"):     true,
		long + "/service.nk":                   true,
		"./" + long:                            true,
		filepath.Join(dir, key, "x.nk"):        true, // hidden in messages
		filepath.Join(dir, "none", long):       false,
		filepath.Join(dir, long+"2", "x.nk"):   false,
		filepath.Join(dir, seed):               false,
		filepath.Join(dir, long, "none-"+seed): false,
		"~/" + long:                            false,
		long:                                   false,
		key:                                    false,
		seed:                                   false,
	} {
		file := filepath.Join(dir, "usher.yaml")
		text := required + "nats: {nkey_file: '" + path + "'}"
		callouttest.Must(t, os.WriteFile(file, []byte(text), 0o600))
		cfg, err := config.Load(file)
		if (err == nil) != accepted || err == nil && !filepath.IsAbs(cfg.NATS.NKeyFile) {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil && strings.Contains(strings.ReplaceAll(err.Error(), dir, ""), filepath.Base(path)) {
			t.Errorf("%s is shown: %v", path, err)
		}
		if _, err := config.Parse(file, []byte(text)); err == nil && !strings.HasPrefix(path, "~") {
			t.Errorf("Parse, which reads no file, accepts %s", path)
		}
	}
}
