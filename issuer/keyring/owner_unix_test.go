//go:build unix

package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/keyring"
)

// Files that root creates in a keyring get the owner of the directory. Files of another
// user belong to that user.
func TestOwner(t *testing.T) {
	dir, uid, gid := t.TempDir(), os.Geteuid(), os.Getegid()
	root := uid == 0
	if root {
		uid, gid = 4711, 4712
		must(t, os.Chown(dir, uid, gid))
	}
	seed, public := seedOf(t, nkeys.PrefixByteAccount)
	old, _ := seedOf(t, nkeys.PrefixByteAccount)
	state := &keyring.State{Keys: []keyring.Entry{{PublicKey: public, Kind: issuer.KindIssuer, File: "a.nk", State: issuer.StateActive}}}
	unlock, err := keyring.Lock(dir)
	must(t, err)
	must(t, keyring.WriteSeed(filepath.Join(dir, "a.nk"), []byte(seed), keyring.Config{}))
	must(t, keyring.WriteSeed(filepath.Join(dir, "b.nk"), []byte(old), keyring.Config{}))
	must(t, keyring.RetireSeed(dir, "b.nk"))
	for range 2 { // create, then replace
		must(t, keyring.Save(dir, keyring.Config{}, state))
	}
	unlock()
	for _, name := range []string{"a.nk", ".retired", ".retired/b.nk", keyring.StateFile, ".lock"} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(st.Uid) != uid || root && int(st.Gid) != gid {
			t.Errorf("%s belongs to %d:%d, want %d:%d", name, st.Uid, st.Gid, uid, gid)
		}
	}

	// Root runs no program that another user can choose, so it writes no such file.
	state.Keys[0].File, state.Keys[0].Command = "", []string{"sign"}
	must(t, keyring.RetireSeed(dir, "a.nk"))
	if err := keyring.Save(dir, keyring.Config{}, state); root != errors.Is(err, keyring.ErrUntrustedAuthor) || !root && err != nil {
		t.Errorf("got %v", err)
	}
}

// Whatever the service's user puts into the keyring, root creates and moves nothing
// outside of it.
//
// Attack: the service's user puts a symbolic link into the keyring, so that root creates a file or moves a seed somewhere else
// Held by: in a folder of another user root follows no link and stays in that folder
func TestLinksInKeyring(t *testing.T) {
	target := t.TempDir()
	planted := func(name, to string) string {
		dir := t.TempDir()
		must(t, os.Symlink(to, filepath.Join(dir, name)))
		if os.Geteuid() == 0 {
			must(t, os.Lchown(filepath.Join(dir, name), 4711, 4711))
			must(t, os.Chown(dir, 4711, 4711))
		}
		return dir
	}
	for _, to := range []string{filepath.Join(target, "nologin"), "../x", "inside"} {
		if _, err := keyring.Lock(planted(".lock", to)); !errors.Is(err, ownedfile.ErrLink) {
			t.Errorf(".lock leads to %s: %v", to, err)
		}
	}
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, ".lock"), 0o600))
	if _, err := keyring.Lock(dir); !errors.Is(err, ownedfile.ErrNotRegular) {
		t.Errorf(".lock is a pipe: %v", err)
	}
	for _, to := range []string{target, "../x", "."} {
		dir := planted(".retired", to)
		writeFile(t, filepath.Join(dir, "a.nk"), "x", 0o600)
		if err := keyring.RetireSeed(dir, "a.nk"); !errors.Is(err, ownedfile.ErrLink) {
			t.Errorf(".retired leads to %s: %v", to, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "a.nk")); err != nil {
			t.Error(err)
		}
	}
	dir = t.TempDir()
	writeFile(t, filepath.Join(dir, "a.nk"), "x", 0o600)
	writeFile(t, filepath.Join(dir, ".retired"), "x", 0o600)
	if err := keyring.RetireSeed(dir, "a.nk"); err == nil {
		t.Error("no error although .retired is a file")
	}

	// The keyring itself may be a link, but for root the link must belong to root.
	root := os.Geteuid() == 0
	dir = filepath.Join(planted("keyring", target), "keyring")
	seed, _ := seedOf(t, nkeys.PrefixByteAccount)
	for what, err := range map[string]error{
		"seed": keyring.WriteSeed(filepath.Join(dir, "a.nk"), []byte(seed), keyring.Config{}), "state": keyring.Save(dir, keyring.Config{}, &keyring.State{}),
		"retire": keyring.RetireSeed(dir, "a.nk"),
	} {
		if root && !errors.Is(err, ownedfile.ErrUntrusted) || !root && errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("%s, where the keyring is a link: %v", what, err)
		}
	}
	if unlock, err := keyring.Lock(dir); root && !errors.Is(err, ownedfile.ErrUntrusted) || !root && err != nil {
		t.Errorf("lock, where the keyring is a link: %v", err)
	} else if err == nil {
		unlock()
	}
	if files, err := os.ReadDir(target); err != nil || root && len(files) != 0 {
		t.Errorf("created through the link: %v, %v", files, err)
	}
}
