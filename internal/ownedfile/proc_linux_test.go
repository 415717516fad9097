package ownedfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"usher/internal/ownedfile"
)

// A link below /proc does not lead to the path in its text. No rule allows one, except
// for a descriptor that the shell passes.
//
// Attack: the service's user names keyring.dir, a program or a key below /proc/self/root, which evades every check of the path, and root runs that user's program
// Held by: process links are refused in every path; only a pipe of the shell is accepted, as the last element
func TestLinksOfProcesses(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	put(t, file, 0o600, false)
	t.Chdir(top)
	folder, err := os.Open(top)
	must(t, err)
	defer folder.Close() //nolint:errcheck // nothing is written to it
	program, err := os.Executable()
	must(t, err)
	must(t, os.Symlink("/proc/self/root", filepath.Join(top, "link")))
	must(t, os.Mkdir(filepath.Join(top, "sub"), 0o700))

	self, fd := "/proc/"+strconv.Itoa(os.Getpid()), strconv.Itoa(int(folder.Fd()))
	var prefixes []string
	for _, process := range []string{"/proc/self", "/proc/thread-self", self, "/proc/net/..", "/proc/self/fdinfo/.."} {
		prefixes = append(prefixes, process+"/root"+top, process+"/cwd", process+"/fd/"+fd)
	}
	prefixes = append(prefixes, "/dev/fd/"+fd, filepath.Join(top, "link")+top, "link"+top, "/proc/self/cwd/sub/..", "/proc/self/cwd/../"+filepath.Base(top))
	for _, r := range []ownedfile.Rule{
		{}, {Secret: true}, {Secret: true, GroupRead: true}, {NoGroupWrite: true}, {Exec: true}, {Exec: true, Pipe: true}, {Pipe: true}, {Secret: true, Pipe: true},
	} {
		for _, prefix := range prefixes {
			if _, _, err := ownedfile.Open(prefix+"/file", r); !errors.Is(err, ownedfile.ErrUntrusted) {
				t.Errorf("%s/file, %+v: %v", prefix, r, err)
			}
			for _, path := range []string{prefix, prefix + "/.", prefix + "/sub"} {
				if err := ownedfile.CheckFolder(path, r); !errors.Is(err, ownedfile.ErrUntrusted) {
					t.Errorf("folder %s, %+v: %v", path, r, err)
				}
			}
			info, err := os.Stat(file)
			must(t, err)
			if err := ownedfile.CheckWritten(prefix+"/file", info, r); !errors.Is(err, ownedfile.ErrUntrusted) {
				t.Errorf("%s/file, written, %+v: %v", prefix, r, err)
			}
		}
		if err := ownedfile.Check("/proc/self/exe", r); !errors.Is(err, ownedfile.ErrUntrusted) {
			t.Errorf("%s by /proc/self/exe, %+v: %v", program, r, err)
		}
		// A descriptor is accepted only if it is one of this process.
		if err := ownedfile.Check("/proc/1/fd/0", r); !errors.Is(err, ownedfile.ErrUntrusted) && !errors.Is(err, os.ErrPermission) {
			t.Errorf("a descriptor of another process, %+v: %v", r, err)
		}
	}
}

// Root runs nothing that another user could have written, also through a pipe.
//
// Attack: root gets a configuration that names a program as an open file of another user
// Held by: a program, or a file that names one, must belong to root, also if it comes as a descriptor
func TestDescriptorOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, 0o600, true)
	f, err := os.Open(file)
	must(t, err)
	defer f.Close() //nolint:errcheck // nothing is written to it
	path := "/dev/fd/" + itoa(f.Fd())
	if err := ownedfile.Check(path, ownedfile.Rule{Exec: true, Pipe: true}); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("a file of another user: %v", err)
	}
	must(t, os.Chmod(file, 0o600))
	must(t, os.Chown(file, os.Geteuid(), -1))
	if err := ownedfile.Check(path, ownedfile.Rule{Exec: true, Pipe: true}); err != nil {
		t.Errorf("a file of this user: %v", err)
	}
	if err := ownedfile.Check(path, ownedfile.Rule{Exec: true}); !errors.Is(err, ownedfile.ErrUntrusted) {
		t.Errorf("without Pipe: %v", err)
	}
}
