//go:build unix

package keyring

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// owned is a file of another user, which a test cannot make.
type owned struct {
	fs.FileInfo
	uid uint32
}

func (o owned) Sys() any { return &syscall.Stat_t{Uid: o.uid} }

func TestAuthor(t *testing.T) {
	me := uint32(os.Geteuid())
	for uid, ok := range map[uint32]bool{0: true, me: true, me + 4711: false} {
		if err := checkAuthor(t.TempDir(), StateFile, owned{uid: uid}); ok && err != nil || !ok && !errors.Is(err, ErrAuthor) {
			t.Errorf("of user %d: got %v", uid, err)
		}
	}
}
