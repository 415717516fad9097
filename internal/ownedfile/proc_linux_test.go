package ownedfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"usher/internal/ownedfile"
)

// A link below /proc says a path and leads past it. None is followed, whatever the
// rule, but to a descriptor that the shell handed over.
//
// Attack: the service's user names keyring.dir, a program or a key below /proc/self/root, past every check of the way there, and root runs a program of theirs
// Held by: links of processes are refused on the way to every file and folder; a pipe of the shell alone is taken, as the last name
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
		{}, {Secret: true}, {Secret: true, Group: true}, {Own: true}, {Runs: true}, {Runs: true, Pipe: true}, {Pipe: true}, {Secret: true, Pipe: true},
	} {
		for _, prefix := range prefixes {
			if _, _, err := ownedfile.Open(prefix+"/file", r); !errors.Is(err, ownedfile.ErrOthers) {
				t.Errorf("%s/file, %+v: %v", prefix, r, err)
			}
			for _, path := range []string{prefix, prefix + "/.", prefix + "/sub"} {
				if err := ownedfile.CheckFolder(path, r); !errors.Is(err, ownedfile.ErrOthers) {
					t.Errorf("folder %s, %+v: %v", path, r, err)
				}
			}
			info, err := os.Stat(file)
			must(t, err)
			if err := ownedfile.CheckWritten(prefix+"/file", info, r); !errors.Is(err, ownedfile.ErrOthers) {
				t.Errorf("%s/file, written, %+v: %v", prefix, r, err)
			}
		}
		if err := ownedfile.Check("/proc/self/exe", r); !errors.Is(err, ownedfile.ErrOthers) {
			t.Errorf("%s by /proc/self/exe, %+v: %v", program, r, err)
		}
		// What is open already is a pipe, or what stands for it, and nothing else.
		if err := ownedfile.Check("/proc/1/fd/0", r); !errors.Is(err, ownedfile.ErrOthers) && !errors.Is(err, os.ErrPermission) {
			t.Errorf("a descriptor of another process, %+v: %v", r, err)
		}
	}
}

// Root runs nothing that another user could have written, pipe or not.
//
// Attack: root is handed a configuration that names a program, as an open file of another user
// Held by: what is run, or says what is, has to be root's or one's own also where it is a descriptor
func TestDescriptorOfOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, 0o600, true)
	f, err := os.Open(file)
	must(t, err)
	defer f.Close() //nolint:errcheck // nothing is written to it
	path := "/dev/fd/" + itoa(f.Fd())
	if err := ownedfile.Check(path, ownedfile.Rule{Runs: true, Pipe: true}); !errors.Is(err, ownedfile.ErrOthers) {
		t.Errorf("of another: %v", err)
	}
	must(t, os.Chmod(file, 0o600))
	must(t, os.Chown(file, os.Geteuid(), -1))
	if err := ownedfile.Check(path, ownedfile.Rule{Runs: true, Pipe: true}); err != nil {
		t.Errorf("one's own: %v", err)
	}
	if err := ownedfile.Check(path, ownedfile.Rule{Runs: true}); !errors.Is(err, ownedfile.ErrOthers) {
		t.Errorf("where no pipe is expected: %v", err)
	}
}
