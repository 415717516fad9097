//go:build unix

package keyring_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/internal/ownedfile"
	"usher/issuer"
	"usher/issuer/keyring"
)

// The program and the arguments of a signing command must be safe from other users.
//
// Attack: root runs a signing command whose script, or another file in its arguments, the service's user can write
// Held by: loading the keyring checks the program and every file in its arguments
func TestProgramOfOtherUsers(t *testing.T) {
	top := t.TempDir()
	root := os.Geteuid() == 0
	ours, theirs := filepath.Join(top, "ours"), filepath.Join(top, "theirs")
	for _, dir := range []string{ours, theirs} {
		must(t, os.Mkdir(dir, 0o700))
		writeFile(t, filepath.Join(dir, "sign"), "#!/bin/sh\n", 0o755)
	}
	writeFile(t, filepath.Join(ours, "group"), "", 0o660)
	must(t, os.Symlink(filepath.Join(theirs, "sign"), filepath.Join(ours, "link")))
	socket := filepath.Join(theirs, "socket")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	must(t, err)
	defer l.Close() //nolint:errcheck // no client connects
	must(t, os.Mkdir(filepath.Join(theirs, "folder"), 0o700))
	if root {
		must(t, os.Chown(theirs, 4711, 4711))
	} else {
		must(t, os.Chmod(theirs, 0o777))
	}
	sign, script := filepath.Join(ours, "sign"), filepath.Join(theirs, "sign")
	for _, tt := range []struct {
		argv   []string
		ok     bool
		asRoot bool // differs for root alone
	}{
		{[]string{sign, sign, "/v1/transit/sign/usher", "usher", "1", "", "=", "/dev/stdin", "/dev/fd/0"}, true, true},
		{[]string{"/bin/sh", "-c", "exec sign"}, true, true},
		{[]string{filepath.Join(ours, "none"), filepath.Join(ours, "none")}, true, true},
		{[]string{script}, false, false},
		{[]string{filepath.Join(ours, "link")}, false, false},
		{[]string{filepath.Join(theirs, "none")}, false, false},
		{[]string{"/bin/sh", script}, false, false},
		{[]string{"/bin/sh", filepath.Join(ours, "link")}, false, false},
		{[]string{"/bin/sh", "--file=" + script}, false, false},
		{[]string{"/bin/sh", filepath.Join(ours, "group")}, false, false},
		{[]string{"/bin/sh", filepath.Join(theirs, "none")}, true, false},
		{[]string{"/bin/sh", filepath.Join(theirs, "folder")}, true, false},
		{[]string{"/bin/sh", socket}, true, false},
		{[]string{"/bin/sh", filepath.Join(theirs, "folder", "..", "sign")}, false, false},
	} {
		want := tt.ok
		if root {
			want = tt.asRoot
		}
		if err := keyring.CheckProgram(tt.argv); want && err != nil || !want && !errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("%v: %v", tt.argv, err)
		}
	}

	// Such a keyring is not saved.
	dir := filepath.Join(top, "keyring")
	must(t, os.Mkdir(dir, 0o700))
	_, public := seedOf(t, nkeys.PrefixByteAccount)
	state := &keyring.State{Keys: []keyring.Entry{{PublicKey: public, Kind: issuer.KindIssuer, State: issuer.StateActive, Command: []string{"/bin/sh", script}}}}
	if err := keyring.Save(dir, keyring.Config{}, state); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("save: %v", err)
	}
}
