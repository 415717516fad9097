package setup_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"

	"usher/app/config"
	"usher/app/setup"
	"usher/directory/file"
	"usher/issuer/keyring"
)

func write(t *testing.T, o setup.Options) []setup.File {
	t.Helper()
	if o.Random == nil {
		o.Random = rand.Reader
	}
	files, err := setup.Write(o)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// variants returns the options of every kind of installation.
func variants() []setup.Options {
	var all []setup.Options
	for _, operator := range []bool{false, true} {
		for _, kv := range []bool{false, true} {
			all = append(all, setup.Options{Operator: operator, KV: kv, Listen: "127.0.0.1:4222"})
		}
	}
	return all
}

// TestWrite: the files are consistent, as usher and nats-server read them.
func TestWrite(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:4222", "0.0.0.0:4333", ":4444", "[::1]:4555", "[::]:4666", "localhost:4777"} {
		dir := filepath.Join(t.TempDir(), "a site")
		files := write(t, setup.Options{Dir: dir, Listen: listen})
		for _, f := range files {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name)))
			if err != nil || !bytes.Equal(content, f.Content) {
				t.Errorf("%s: %v", f.Name, err)
			}
		}
		cfg, err := config.Load(filepath.Join(dir, setup.FileConfig))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := keyring.Load(cfg.Keyring.Dir, keyring.Config{})
		if err != nil {
			t.Fatal(err)
		}
		opts, err := server.ProcessConfigFile(filepath.Join(dir, setup.FileServerConfig))
		if err != nil {
			t.Fatalf("%s: %v", listen, err)
		}
		a := opts.AuthCallout
		if a == nil || a.Issuer != keys.Signers()[0].PublicKey() || a.XKey != keys.XKeys()[0].PublicKey() || a.Account != cfg.Accounts.Callout {
			t.Errorf("%s: auth_callout %+v does not match the keyring", listen, a)
		}
		if !filepath.IsAbs(opts.StoreDir) || filepath.Dir(opts.StoreDir) != dir {
			t.Errorf("JetStream stores in %s", opts.StoreDir)
		}
		passwords, accounts := map[string]string{cfg.NATS.User: cfg.NATS.PasswordFile, cfg.NATS.SystemUser: cfg.NATS.SystemPasswordFile, cfg.Sessions.User: cfg.Sessions.PasswordFile},
			map[string]string{cfg.NATS.User: cfg.Accounts.Callout, cfg.NATS.SystemUser: cfg.Accounts.System, cfg.Sessions.User: cfg.Accounts.System}
		for _, u := range opts.Users {
			password, err := os.ReadFile(passwords[u.Username])
			if err != nil {
				t.Fatal(err)
			}
			err = bcrypt.CompareHashAndPassword([]byte(u.Password), bytes.TrimSpace(password))
			if u.Account.Name != accounts[u.Username] || !slices.Contains(a.AuthUsers, u.Username) || err != nil {
				t.Errorf("user %s in %s: %v", u.Username, u.Account.Name, err)
			}
		}
		if len(opts.Users) != 3 || len(cfg.NATS.URLs) != 1 || strings.Contains(cfg.NATS.URLs[0], "0.0.0.0") || strings.Contains(cfg.NATS.URLs[0], "[::]") {
			t.Errorf("%s: %d users, connects to %v", listen, len(opts.Users), cfg.NATS.URLs)
		}
		if _, _, err := file.Parse(setup.FileDirectory, files[len(files)-1].Content); err != nil {
			t.Error(err)
		}
	}
}

// TestWriteOwnerOnly: other users can read no file and enter no folder.
//
// Attack: another user reads the seeds and passwords of a new installation
// Held by: only the owner can read the files and enter the folders that usher init creates
func TestWriteOwnerOnly(t *testing.T) {
	for _, o := range variants() {
		dir := filepath.Join(t.TempDir(), "new", "site")
		o.Dir = dir
		write(t, o)
		err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %s", path, info.Mode())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNames: Names returns the names of the written files.
func TestNames(t *testing.T) {
	for _, o := range variants() {
		var names []string
		o.Dir = t.TempDir()
		for _, f := range write(t, o) {
			names = append(names, f.Name)
			if len(f.Content) == 0 {
				t.Errorf("%s is empty", f.Name)
			}
		}
		if want := setup.Names(o.Operator, o.KV); !slices.Equal(names, want) {
			t.Errorf("operator %t, kv %t: written %q, not %q", o.Operator, o.KV, names, want)
		}
	}
}

// TestWriteNeverOverwrites: whichever file exists, Write writes none.
func TestWriteNeverOverwrites(t *testing.T) {
	for _, o := range variants() {
		for _, name := range setup.Names(o.Operator, o.KV) {
			testNeverOverwrites(t, name, o)
		}
	}
}

func testNeverOverwrites(t *testing.T, name string, o setup.Options) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Random = dir, rand.Reader
	_, err := setup.Write(o)
	if !errors.Is(err, setup.ErrExists) || !strings.Contains(err.Error(), path) {
		t.Errorf("%s: %v", name, err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	})
	if text, rerr := os.ReadFile(path); err != nil || rerr != nil || string(text) != "mine" || files != 1 {
		t.Errorf("%s: %d files, %q, %v %v", name, files, text, err, rerr)
	}
}

// TestWriteErrors: invalid options are an error, and nothing is written.
func TestWriteErrors(t *testing.T) {
	for name, o := range map[string]setup.Options{
		"no port":                         {Listen: "127.0.0.1", Random: rand.Reader},
		"unknown key":                     {Listen: "127.0.0.1:4222", Config: map[string]string{"no.such": "key"}, Random: rand.Reader},
		"no random bytes":                 {Listen: "127.0.0.1:4222", Random: strings.NewReader("")},
		"no random bytes for an operator": {Listen: "127.0.0.1:4222", Operator: true, Random: strings.NewReader("")},
		"a directory file with KV":        {Listen: "127.0.0.1:4222", KV: true, Directory: []byte("users: []\nprojects: []\n"), Random: rand.Reader},
		"API without TLS":                 {Listen: "127.0.0.1:4222", KV: true, Config: map[string]string{"api.listen": ":9779"}, Random: rand.Reader},
		"mode that contradicts Operator":  {Listen: "127.0.0.1:4222", Operator: true, Config: map[string]string{"nats.mode": "config"}, Random: rand.Reader},
	} {
		o.Dir = filepath.Join(t.TempDir(), "site")
		if _, err := setup.Write(o); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := os.Stat(o.Dir); !os.IsNotExist(err) {
			t.Errorf("%s: something was written", name)
		}
	}
}

// TestWriteOptions: the caller can give the directory and values of the configuration.
func TestWriteOptions(t *testing.T) {
	dir := t.TempDir()
	write(t, setup.Options{
		Dir: dir, Listen: "127.0.0.1:4222", Directory: []byte("users: []\nprojects: []\n"),
		Config: map[string]string{"http.listen": "127.0.0.1:0"},
	})
	cfg, err := config.Load(filepath.Join(dir, setup.FileConfig))
	if err != nil || cfg.HTTP.Listen != "127.0.0.1:0" {
		t.Errorf("%v %+v", err, cfg)
	}
	if text, err := os.ReadFile(filepath.Join(dir, setup.FileDirectory)); err != nil || string(text) != "users: []\nprojects: []\n" {
		t.Errorf("%v %s", err, text)
	}
}
