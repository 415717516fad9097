package config_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"usher/app/config"
	"usher/internal/strictyaml"
)

// FuzzParse: every error has a place in the file. An accepted configuration has clean
// paths, places no client in the callout account, and parses the same a second time.
func FuzzParse(f *testing.F) {
	example, err := config.Example(minimal())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, seed := range []string{
		"", "null", "nats: [", required,
		required + "nats: {urls: ['nats://a:1', 'ws://b/c'], user: u, password_file: ../p, tls: {cert_file: c, key_file: k}}",
		files + "accounts: {callout: A, system: B, ingest: C, service_admin: A, healthcheck: D}\nhealthcheck: {token_file: t}",
		required + "callout: {budget: 1h, workers: -1, queue: 0, clock_skew: 1ms}\nuser_jwt: {max_lifetime: 0, jitter: 2}",
		required + "http: {listen: '[::1]:0'}\nlog: {level: debug, format: json}\naudit: {to: file, file: /a/./b}",
		live + "directory: {from: kv, bucket: b, replicas: 3}\napi: {listen: ':1', allow_cleartext: true, tls: {cert_file: c}}",
		live + "directory: {from: embedded, store_dir: s}\napi: {listen: 'localhost:1', key_in: both}",
		"keyring: {dir: ~}\ndirectory: {file: ~/x}\nunknown: 1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse("dir/usher.yaml", data)
		if err != nil {
			var all strictyaml.Errors
			if !errors.As(err, &all) || len(all) == 0 || cfg != nil {
				t.Fatalf("%v, %v", cfg, err)
			}
			for _, e := range all {
				if e.File != "dir/usher.yaml" || e.Message == "" {
					t.Errorf("%#v", e)
				}
			}
			return
		}
		for _, p := range []struct {
			path     string
			required bool
		}{
			{cfg.Keyring.Dir, true},
			{cfg.Directory.File, cfg.Directory.From == config.DirectoryFile},
			{cfg.Directory.StoreDir, cfg.Directory.From == config.DirectoryEmbedded},
		} {
			if (p.path != "") != p.required || p.required && p.path != filepath.Clean(p.path) {
				t.Errorf("path %q", p.path)
			}
		}
		if api := &cfg.API; api.Listen != "" && cfg.Directory.From == config.DirectoryFile {
			t.Errorf("directory.from is file, but the API is on: %+v", api)
		}
		a := cfg.Accounts
		if a.Callout == "" || a.Callout == a.System || a.Callout == a.Ingest || a.Callout == a.ServiceAdmin || a.Callout == a.HealthCheck {
			t.Errorf("accounts %+v", a)
		}
		again, err := config.Parse("dir/usher.yaml", data)
		if err != nil || !reflect.DeepEqual(cfg, again) {
			t.Errorf("parsed again: %+v, %v", again, err)
		}
	})
}
