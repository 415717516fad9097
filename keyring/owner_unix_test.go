//go:build unix

package keyring_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/issuer"
	"usher/keyring"
)

// What root makes in a keyring belongs to who owns the directory, and what others
// make to them.
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
	must(t, keyring.Retire(dir, "b.nk"))
	for range 2 { // new, and in place of another
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

	// Root runs no program that another user can name, and so writes no such file.
	state.Keys[0].File, state.Keys[0].Command = "", []string{"sign"}
	must(t, keyring.Retire(dir, "a.nk"))
	if err := keyring.Save(dir, keyring.Config{}, state); root != errors.Is(err, keyring.ErrAuthor) || !root && err != nil {
		t.Errorf("got %v", err)
	}

	// A file that is there already may be anything, and stays whose it is.
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	put(t, elsewhere, "", 0o600)
	must(t, os.Remove(filepath.Join(dir, ".lock")))
	must(t, os.Symlink(elsewhere, filepath.Join(dir, ".lock")))
	unlock, err = keyring.Lock(dir)
	must(t, err)
	unlock()
	info, err := os.Stat(elsewhere)
	must(t, err)
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		t.Errorf("a file elsewhere belongs to %d", st.Uid)
	}
}
