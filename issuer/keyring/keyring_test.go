package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/callout/callouttest"
	"usher/internal/ownedfile"
	"usher/issuer/keyring"
)

var (
	seedOf = callouttest.NewSeed
	must   = callouttest.Must
)

// writeFile writes a file with this mode, independent of the umask.
func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	must(t, os.Chmod(path, mode))
}

func TestKeyring(t *testing.T) {
	dir := t.TempDir()
	seedA, a := seedOf(t, nkeys.PrefixByteAccount)
	seedB, b := seedOf(t, nkeys.PrefixByteAccount)
	seedX, x := seedOf(t, nkeys.PrefixByteCurve)
	writeFile(t, filepath.Join(dir, "new.nk"), seedA+"\n", 0o600)
	writeFile(t, filepath.Join(dir, "old.nk"), "  "+seedB+"\r\n\n", 0o400)
	writeFile(t, filepath.Join(dir, "x.nk"), seedX, 0o600)
	writeFile(t, filepath.Join(dir, ".hidden"), "not a seed", 0o644)
	k, err := keyring.Load(dir, keyring.Config{})
	must(t, err)

	var publics []string
	for _, s := range k.Signers() {
		publics = append(publics, s.PublicKey())
	}
	want := []string{a, b}
	slices.Sort(want)
	if !slices.Equal(publics, want) {
		t.Errorf("issuers %q, want %q", publics, want)
	}
	for _, public := range want {
		if s, ok := k.Signer(public); !ok || s.PublicKey() != public {
			t.Errorf("no signer %s", public)
		}
	}
	if _, ok := k.Signer(x); ok {
		t.Error("Signer returns an xkey")
	}
	if len(k.XKeys()) != 1 || k.XKeys()[0].PublicKey() != x {
		t.Errorf("xkeys %v", k.XKeys())
	}
	var kinds []string
	for _, key := range k.Keys() {
		kinds = append(kinds, key.Kind+" "+key.PublicKey)
		if filepath.Dir(key.File) != dir || key.Modified.IsZero() {
			t.Errorf("%+v", key)
		}
	}
	if !slices.Equal(kinds, []string{"issuer " + want[0], "issuer " + want[1], "xkey " + x}) {
		t.Errorf("keys %q", kinds)
	}
	k.Keys()[0].PublicKey = "changed"
	if k.Keys()[0].PublicKey == "changed" {
		t.Error("Keys returns the keyring's own slice")
	}
}

func TestKeyringFaults(t *testing.T) {
	account, _ := seedOf(t, nkeys.PrefixByteAccount)
	other, _ := seedOf(t, nkeys.PrefixByteAccount)
	userSeed, userKey := seedOf(t, nkeys.PrefixByteUser)
	curve, _ := seedOf(t, nkeys.PrefixByteCurve)
	broken := account[:20] + "A" + account[21:]
	if broken == account {
		broken = account[:20] + "B" + account[21:]
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { t.Helper(); writeFile(t, filepath.Join(dir, name), text, 0o600) }
	}
	tests := []struct {
		name  string
		setup []func(*testing.T, string)
		want  []string // in the error, one per fault
	}{
		{"an empty directory", nil, []string{"holds no issuer seed"}},
		{"hidden files only", []func(*testing.T, string){file(".a.nk", account)}, []string{"holds no issuer seed"}},
		{"an xkey only", []func(*testing.T, string){file("x.nk", curve)}, []string{"holds no issuer seed"}},
		{"another extension", []func(*testing.T, string){file("a.nk", account), file("a.seed", other)}, []string{"a.seed: a keyring directory holds seed files named *.nk only"}},
		{"a broken seed", []func(*testing.T, string){file("a.nk", broken)}, []string{"a.nk: not a seed"}},
		{"a truncated seed", []func(*testing.T, string){file("a.nk", account[:len(account)-3])}, []string{"a.nk: not a seed"}},
		{"two seeds in one file", []func(*testing.T, string){file("a.nk", account+"\n"+other)}, []string{"a.nk: not a seed"}},
		{"an empty file", []func(*testing.T, string){file("a.nk", "")}, []string{"a.nk"}},
		{"white space only", []func(*testing.T, string){file("a.nk", " \n")}, []string{"a.nk: not a seed"}},
		{"a public key", []func(*testing.T, string){file("a.nk", userKey)}, []string{"a.nk: not a seed"}},
		{"a user seed", []func(*testing.T, string){file("u.nk", userSeed)}, []string{"u.nk: a user seed; the keyring takes account seeds"}},
		{"the same issuer twice", []func(*testing.T, string){file("a.nk", account), file("b.nk", account)}, []string{"b.nk: the same key as in "}},
		{"the same xkey twice", []func(*testing.T, string){file("a.nk", account), file("x.nk", curve), file("y.nk", curve)}, []string{"y.nk: the same key as in "}},
		{"a large file", []func(*testing.T, string){file("a.nk", strings.Repeat(account, 100))}, []string{"is larger than 4096 bytes"}},
		{"a directory in place of a file", []func(*testing.T, string){file("a.nk", account), func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Mkdir(filepath.Join(dir, "d.nk"), 0o700))
		}}, []string{"d.nk: not a regular file"}},
		{"a dangling link", []func(*testing.T, string){file("a.nk", account), func(t *testing.T, dir string) {
			t.Helper()
			must(t, os.Symlink("missing", filepath.Join(dir, "l.nk")))
		}}, []string{"l.nk: no such file"}},
		{"a seed as file name", []func(*testing.T, string){file("a.nk", account), file(other+".nk", other)}, []string{"a file has the name [looks like a secret]: replace that secret"}},
		{
			"everything at once",
			[]func(*testing.T, string){file("a.nk", broken), file("b.txt", account), file("c.nk", userSeed), file("d.nk", other)},
			[]string{"a.nk: not a seed", "b.txt: a keyring directory", "c.nk: a user seed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.setup {
				f(t, dir)
			}
			k, err := keyring.Load(dir, keyring.Config{})
			if err == nil || k != nil {
				t.Fatalf("loaded, error %v", err)
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("%d faults, want %d:\n%v", len(got), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("got %q, want %q", got[i], want)
				}
			}
			for _, seed := range []string{account, other, userSeed, curve, broken} {
				if strings.Contains(err.Error(), seed[:8]) {
					t.Errorf("the error contains a seed: %v", err)
				}
			}
		})
	}
	t.Run("no directory", func(t *testing.T) {
		_, err := keyring.Load(filepath.Join(t.TempDir(), "none"), keyring.Config{})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a file in place of the directory", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.nk")
		writeFile(t, path, account, 0o600)
		if _, err := keyring.Load(path, keyring.Config{}); err == nil {
			t.Error("loaded")
		}
	})
}

// The file modes of a seed file.
//
// Attack: another user reads or replaces a seed on disk
// Held by: a seed file that others can read or write is refused
func TestSeedModes(t *testing.T) {
	seed, _ := seedOf(t, nkeys.PrefixByteAccount)
	tests := []struct {
		mode         os.FileMode
		owner, group bool // accepted without and with AllowGroup
	}{
		{0o400, true, true},
		{0o600, true, true},
		{0o700, true, true},
		{0o440, false, true},
		{0o640, false, true},
		{0o660, false, false},
		{0o620, false, false},
		{0o610, false, false},
		{0o604, false, false},
		{0o602, false, false},
		{0o601, false, false},
		{0o644, false, false},
		{0o666, false, false},
		{0o777, false, false},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "a.nk"), seed, tt.mode)
		for allowGroup, ok := range map[bool]bool{false: tt.owner, true: tt.group} {
			_, err := keyring.Load(dir, keyring.Config{AllowGroup: allowGroup})
			if ok && err != nil || !ok && !errors.Is(err, ownedfile.ErrReadable) {
				t.Errorf("mode %04o, AllowGroup %v: got %v", tt.mode, allowGroup, err)
			}
		}
	}
}

// Kubernetes mounts a secret as links to files in ..data. ..data is a link to a
// directory, and Kubernetes replaces that link.
func TestKeyringAsKubernetesMountsIt(t *testing.T) {
	dir := t.TempDir()
	mount := func(stamp string) string {
		seed, public := seedOf(t, nkeys.PrefixByteAccount)
		must(t, os.Mkdir(filepath.Join(dir, stamp), 0o755))
		writeFile(t, filepath.Join(dir, stamp, "issuer.nk"), seed, 0o440)
		must(t, os.Symlink(stamp, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		return public
	}
	first := mount("..2026_01_01")
	must(t, os.Symlink(filepath.Join("..data", "issuer.nk"), filepath.Join(dir, "issuer.nk")))
	for _, public := range []string{first, ""} {
		if public == "" {
			public = mount("..2026_02_02")
		}
		k, err := keyring.Load(dir, keyring.Config{AllowGroup: true})
		must(t, err)
		if _, ok := k.Signer(public); !ok || len(k.Signers()) != 1 {
			t.Errorf("issuers %v", k.Keys())
		}
	}
	if _, err := keyring.Load(dir, keyring.Config{}); !errors.Is(err, ownedfile.ErrReadable) {
		t.Errorf("the mode of the link's target is not checked: %v", err)
	}
}
