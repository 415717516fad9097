package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/keyring"
)

// fullState returns a state in which every field is set.
func fullState(k keys) *keyring.State {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &keyring.State{
		Accounts: []issuer.Account{{Name: "AUTH", PublicKey: k["A1"]}},
		Keys: []keyring.Entry{
			{PublicKey: k["A2"], Kind: issuer.KindSigning, Account: "AUTH", Command: []string{"sign", "--key", "a b", "x\ny"}, State: issuer.StateActive, Since: since},
			{PublicKey: k["A3"], Kind: issuer.KindSigning, Account: "AUTH", Command: []string{"sign"}, State: issuer.StateNext, Since: since},
			{PublicKey: k["A4"], Kind: issuer.KindSigning, Account: "AUTH", Scope: "publisher", File: "auth-1.nk", State: issuer.StateRetired, Since: since},
		},
		Rotation: &keyring.Rotation{Kind: issuer.KindSigning, Account: "AUTH", Old: k["A2"], New: k["A3"], Done: keyring.StepAdd, Started: since},
	}
}

// A saved state is read back unchanged, with a retired key whose seed file is gone.
func TestSave(t *testing.T) {
	dir, want, cfg := t.TempDir(), fullState(newKeys(t)), keyring.Config{Callout: "AUTH"}
	for range 2 {
		must(t, keyring.Save(dir, cfg, want))
		got, err := keyring.ReadState(dir, cfg)
		must(t, err)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		want = got
	}
	checkMode(t, filepath.Join(dir, keyring.StateFile))
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 1 {
		t.Errorf("files: %v", names)
	}
	place := issuer.Place{Account: "AUTH"}
	if e := want.Active(issuer.KindSigning, place); e == nil || e != want.Entry(e.PublicKey) || e.State != issuer.StateActive {
		t.Errorf("active in %s: %+v", place, e)
	}
	if want.Active(issuer.KindXKey, place) != nil || want.Entry("X") != nil {
		t.Error("an entry is found that does not exist")
	}
}

func checkMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("%s: mode %04o", path, mode)
	}
}

// A state that would not be read, or be read differently, is not saved.
func TestSaveRefuses(t *testing.T) {
	dir, k, cfg := t.TempDir(), newKeys(t), keyring.Config{Callout: "AUTH"}
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	must(t, keyring.WriteSeed(filepath.Join(dir, "a.nk"), []byte(seed), cfg))
	must(t, keyring.Save(dir, cfg, fullState(k)))
	path := filepath.Join(dir, keyring.StateFile)
	before, err := os.ReadFile(path)
	must(t, err)
	for name, corrupt := range map[string]func(*keyring.State){
		"two active keys":       func(s *keyring.State) { s.Keys[1].State = issuer.StateActive },
		"a relative program":    func(s *keyring.State) { s.Keys[0].Command[0] = "./sign" },
		"an argument not UTF-8": func(s *keyring.State) { s.Keys[0].Command[1] = "\xff" },
		"a name not UTF-8":      func(s *keyring.State) { s.Keys[0].Scope = "\xff" },
		"a key with YAML in it": func(s *keyring.State) { s.Accounts[0].PublicKey += "}\n  - {name: B, public_key: " + k["U1"] },
		"a date of no calendar": func(s *keyring.State) { s.Keys[0].Since = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) },
		"no seed file":          func(s *keyring.State) { s.Keys[1].Command, s.Keys[1].File = nil, "none.nk" },
		"another key's seed":    func(s *keyring.State) { s.Keys[1].Command, s.Keys[1].File = nil, "a.nk" },
		"a seed under another name": func(s *keyring.State) {
			s.Keys = append(s.Keys, keyring.Entry{PublicKey: public, Kind: issuer.KindSigning, Account: "AUTH", State: issuer.StateRetired, File: "b.nk"})
		},
		"no key for responses": func(s *keyring.State) { s.Keys[0].State = issuer.StateRetiring },
		"no callout account": func(s *keyring.State) {
			s.Accounts[0].Name = "APP"
			for i := range s.Keys {
				s.Keys[i].Account = "APP"
			}
			s.Rotation.Account = "APP"
		},
		"an empty state": func(s *keyring.State) { s.Keys[0].State = "" },
	} {
		s := fullState(k)
		corrupt(s)
		if err := keyring.Save(dir, cfg, s); err == nil {
			t.Errorf("%s is saved", name)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("%s: the file has changed, %v", name, err)
		}
	}
	must(t, os.Chmod(dir, 0o777)) // other users could put a program there
	if err := keyring.Save(dir, cfg, fullState(k)); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("in a world-writable directory: got %v", err)
	}
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 2 {
		t.Errorf("files: %v", names)
	}
}

func TestWriteSeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.nk")
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	other, _ := seedOf(t, nkeys.PrefixByteAccount)
	must(t, keyring.WriteSeed(path, []byte(seed), keyring.Config{}))
	checkMode(t, path)
	if err := keyring.WriteSeed(path, []byte(other), keyring.Config{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	k, err := keyring.Load(filepath.Dir(path), keyring.Config{})
	must(t, err)
	if _, ok := k.Signer(public); !ok {
		t.Error("the first seed is gone")
	}
	link := filepath.Join(t.TempDir(), "link.nk")
	must(t, os.Symlink(filepath.Join(t.TempDir(), "target"), link))
	if err := keyring.WriteSeed(link, []byte(seed), keyring.Config{}); err == nil {
		t.Error("WriteSeed follows a link")
	}
	if err := keyring.WriteSeed(filepath.Join(path, "b.nk"), []byte(seed), keyring.Config{}); err == nil || strings.Contains(err.Error(), seed) {
		t.Errorf("got %v", err)
	}
}

// Retire can be called twice, and never overwrites another retired seed.
func TestRetire(t *testing.T) {
	dir := t.TempDir()
	must(t, keyring.RetireSeed(dir, ""))
	var seeds []string
	for range 3 {
		seed, _ := seedOf(t, nkeys.PrefixByteAccount)
		seeds = append(seeds, seed)
		must(t, keyring.WriteSeed(filepath.Join(dir, "a.nk"), []byte(seed), keyring.Config{}))
		must(t, keyring.RetireSeed(dir, "a.nk"))
		must(t, keyring.RetireSeed(dir, "a.nk"))
	}
	var got []string
	for _, name := range []string{"a.nk", "a-1.nk", "a-2.nk"} {
		path := filepath.Join(dir, ".retired", name)
		text, err := os.ReadFile(path)
		must(t, err)
		got = append(got, strings.TrimSpace(string(text)))
		checkMode(t, path)
	}
	if !slices.Equal(got, seeds) {
		t.Error("a retired seed is missing or overwritten")
	}
	info, err := os.Stat(filepath.Join(dir, ".retired"))
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %04o", info.Mode().Perm())
	}
	if _, err := keyring.Load(dir, keyring.Config{}); !errors.Is(err, issuer.ErrEmptyKeyring) {
		t.Errorf("retired seeds are loaded: %v", err)
	}
}

// A new name belongs to no seed and to no retired seed.
func TestName(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seed, _ := seedOf(t, nkeys.PrefixByteAccount)
	e := &keyring.Entry{Kind: issuer.KindSigning, Account: "APP", Scope: "Publisher"}
	for i, want := range []string{"app-publisher-20260102-030405.nk", "app-publisher-20260102-030405-1.nk", "app-publisher-20260102-030405-2.nk"} {
		name := keyring.NewFileName(dir, e, now)
		if name != want {
			t.Errorf("got %s, want %s", name, want)
		}
		must(t, keyring.WriteSeed(filepath.Join(dir, name), []byte(seed), keyring.Config{}))
		if i == 1 {
			must(t, keyring.RetireSeed(dir, name))
		}
	}
	for _, tt := range []struct {
		entry keyring.Entry
		want  string
	}{
		{keyring.Entry{Kind: issuer.KindIssuer}, "issuer-20260102-030405.nk"},
		{keyring.Entry{Kind: issuer.KindXKey}, "xkey-20260102-030405.nk"},
		{keyring.Entry{Kind: issuer.KindSigning, Account: "../$G É"}, "____g__-20260102-030405.nk"},
	} {
		if got := keyring.NewFileName(dir, &tt.entry, now); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// With AllowGroup the group can read what is written, because usher nkey may run as
// another user than the service.
func TestSaveForGroup(t *testing.T) {
	dir := t.TempDir()
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	for _, allow := range []bool{true, false} {
		cfg := keyring.Config{AllowGroup: allow}
		want := map[bool]os.FileMode{true: 0o640, false: 0o600}[allow]
		path := filepath.Join(dir, "a.nk")
		_ = os.Remove(path)
		must(t, keyring.WriteSeed(path, []byte(seed), cfg))
		must(t, keyring.Save(dir, cfg, &keyring.State{Keys: []keyring.Entry{{
			PublicKey: public, Kind: issuer.KindIssuer, File: "a.nk", State: issuer.StateActive,
		}}}))
		for _, name := range []string{"a.nk", keyring.StateFile} {
			info, err := os.Stat(filepath.Join(dir, name))
			must(t, err)
			if runtime.GOOS != "windows" && info.Mode().Perm() != want {
				t.Errorf("%s: mode %s, want %s", name, info.Mode(), want)
			}
		}
	}
}
