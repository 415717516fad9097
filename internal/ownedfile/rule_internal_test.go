//go:build unix

package ownedfile

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

// entry is a made-up file for walk; only root could give a real one its owner.
type entry struct {
	mode fs.FileMode
	uid  int
	to   string // target of a link
}

// Name implements fs.FileInfo.
func (e entry) Name() string { return "" }

// Size implements fs.FileInfo.
func (e entry) Size() int64 { return 0 }

// Mode implements fs.FileInfo.
func (e entry) Mode() fs.FileMode { return e.mode }

// ModTime implements fs.FileInfo.
func (e entry) ModTime() time.Time { return time.Time{} }

// IsDir implements fs.FileInfo.
func (e entry) IsDir() bool { return e.mode.IsDir() }

// Sys implements fs.FileInfo.
func (e entry) Sys() any { return e }

const (
	usher   = 998
	mallory = 1001
	dir     = fs.ModeDir
	sticky  = fs.ModeDir | fs.ModeSticky
	link    = fs.ModeSymlink | 0o777
)

// files is a file system of entries by path.
type files map[string]entry

func (f files) system(user int) *system {
	return &system{
		user:  user,
		owner: func(i fs.FileInfo) (int, bool) { return i.(entry).uid, true },
		lstat: func(path string) (fs.FileInfo, error) {
			if e, ok := f[path]; ok {
				return e, nil
			}
			return nil, &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
		},
		readlink: func(path string) (string, error) { return f[path].to, nil },
	}
}

// The table reads as policy: whose files are accepted where.
func TestRule(t *testing.T) {
	base := files{
		"/": {dir | 0o755, 0, ""}, "/etc": {dir | 0o755, 0, ""}, "/tmp": {sticky | 0o777, 0, ""},
		"/etc/seed":  {0o600, 0, ""},
		"/etc/ours":  {0o600, usher, ""},
		"/etc/alien": {0o600, mallory, ""},
		"/etc/open":  {0o602, usher, ""},
		"/etc/group": {0o620, usher, ""},
		"/etc/read":  {0o644, usher, ""},
		"/etc/mount": {0o440, 0, ""},

		"/shared": {dir | 0o777, 0, ""}, "/shared/ours": {0o600, usher, ""}, "/shared/alien": {0o600, mallory, ""},
		"/shared/sub": {dir | 0o700, usher, ""}, "/shared/sub/ours": {0o600, usher, ""},
		"/tmp/ours": {0o600, usher, ""}, "/tmp/alien": {0o600, mallory, ""},
		"/home": {dir | 0o755, 0, ""}, "/home/mallory": {dir | 0o755, mallory, ""}, "/home/mallory/ours": {0o600, usher, ""},
		"/home/mallory/alien": {0o600, mallory, ""},
		"/team":               {dir | 0o775, 0, ""}, "/team/ours": {0o600, usher, ""},

		"/etc/link": {link, 0, "seed"}, "/etc/far2": {link, usher, "/etc/seed"}, "/etc/far": {link, usher, "/tmp/ours"}, "/tmp/link": {link, mallory, "/etc/ours"},
		"/etc/worse": {link, 0, "/shared/ours"}, "/etc/loop": {link, 0, "loop"}, "/etc/up": {link, usher, "../tmp/./ours"},
		"/etc/none": {link, 0, "nowhere"}, "/dev": {dir | 0o755, 0, ""}, "/dev/fd": {link, 0, "/proc/self/fd"},
		"/proc": {dir | 0o555, 0, ""}, "/proc/self": {link, 0, "9"}, "/proc/9": {dir | 0o555, 0, ""}, "/proc/9/fd": {dir | 0o500, 0, ""},
		"/proc/9/fd/7": {link, 0, "pipe:[1]"}, "/proc/9/root": {link, 0, "/"}, "/proc/8": {dir | 0o555, 0, ""}, "/proc/8/fd": {dir | 0o500, 0, ""},
		"/proc/8/fd/7": {link, 0, "pipe:[1]"},

		// As Kubernetes mounts a secret.
		"/run": {dir | 0o755, 0, ""}, "/run/keys": {sticky | 0o777, 0, ""}, "/run/keys/a.nk": {link, 0, "..data/a.nk"},
		"/run/keys/..data": {link, 0, "..2026"}, "/run/keys/..2026": {dir | 0o755, 0, ""}, "/run/keys/..2026/a.nk": {0o440, 0, ""},

		// As systemd passes credentials to a service, and what is not like that.
		"/run/credentials": {dir | 0o755, 0, ""}, "/run/credentials/usher.service": {dir | 0o550, 0, ""},
		"/run/credentials/usher.service/password": {0o440, 0, ""}, "/run/credentials/usher.service/ours": {0o400, usher, ""},
		"/run/credentials/usher.service/wide": {0o444, 0, ""}, "/run/credentials/usher.service/alien": {0o440, mallory, ""},
		"/run/credentials/usher.service/link": {link, 0, "/etc/mount"}, "/run/credentials/usher.service/sub": {dir | 0o550, 0, ""},
		"/run/credentials/usher.service/sub/password": {0o440, 0, ""},
		"/run/credentials/open.service":               {dir | 0o755, 0, ""}, "/run/credentials/open.service/password": {0o440, 0, ""},
		"/run/credentials/loose": {0o440, 0, ""},
	}
	secret, group, runs := Rule{Secret: true}, Rule{Secret: true, GroupRead: true}, Rule{Exec: true}
	for _, tt := range []struct {
		path        string
		rule        Rule
		usher, root error // for a process of each user
	}{
		{"/etc/seed", secret, nil, nil},
		{"/etc/ours", secret, nil, nil},
		{"/etc/alien", secret, ErrUntrusted, nil}, // only root can have created it
		{"/etc/open", secret, ErrReadable, ErrReadable},
		{"/etc/open", Rule{}, ErrUntrusted, ErrUntrusted},
		{"/etc/group", Rule{}, nil, nil},
		{"/etc/group", Rule{NoGroupWrite: true}, ErrUntrusted, ErrUntrusted},
		{"/etc/read", secret, ErrReadable, ErrReadable},
		{"/etc/read", Rule{}, nil, nil},
		{"/etc/mount", secret, ErrReadable, ErrReadable},
		{"/etc/mount", group, nil, nil},
		{"/shared/ours", secret, ErrUntrusted, ErrUntrusted},
		{"/shared/alien", secret, ErrUntrusted, ErrUntrusted},
		{"/shared/sub/ours", secret, ErrUntrusted, ErrUntrusted}, // other users can replace the folder
		{"/tmp/ours", secret, nil, ErrUntrusted},
		{"/tmp/alien", secret, ErrUntrusted, ErrUntrusted},
		{"/home/mallory/ours", secret, ErrUntrusted, nil}, // the owner of the folder can replace it, and root trusts that owner
		{"/home/mallory/alien", secret, ErrUntrusted, nil},
		{"/team/ours", secret, nil, nil},
		{"/etc/link", secret, nil, nil},
		{"/etc/far", secret, nil, ErrUntrusted},
		{"/etc/up", secret, nil, ErrUntrusted},
		{"/tmp/link", secret, ErrUntrusted, ErrUntrusted},
		{"/etc/worse", secret, ErrUntrusted, ErrUntrusted},
		{"/etc/loop", secret, errLinks, errLinks},
		{"/etc/none", secret, fs.ErrNotExist, fs.ErrNotExist},
		{"/etc/nothing", secret, fs.ErrNotExist, fs.ErrNotExist},
		{"/dev/fd/7", Rule{Secret: true, Pipe: true}, nil, nil}, // from the shell; opening it checks the rest
		{"/dev/fd/7", secret, ErrUntrusted, ErrUntrusted},
		{"/dev/fd/7/x", Rule{Pipe: true}, ErrUntrusted, ErrUntrusted},
		{"/proc/8/fd/7", Rule{Pipe: true}, ErrUntrusted, ErrUntrusted},
		{"/proc/self/root" + "/etc/ours", Rule{Pipe: true}, ErrUntrusted, ErrUntrusted},
		{"/tmp/none", secret, fs.ErrNotExist, fs.ErrNotExist},
		{"/tmp/none", runs, ErrUntrusted, ErrUntrusted}, // another user may create it
		{"/etc/nothing", runs, fs.ErrNotExist, fs.ErrNotExist},
		{"/run/keys/a.nk", group, nil, nil},
		{"/run/keys/a.nk", secret, ErrReadable, ErrReadable},
		{"/run/credentials/usher.service/password", secret, nil, nil},
		{"/run/credentials/usher.service/ours", secret, nil, nil},
		{"/run/credentials/usher.service/wide", secret, ErrReadable, ErrReadable},
		{"/run/credentials/usher.service/alien", secret, ErrUntrusted, ErrReadable},
		{"/run/credentials/usher.service/link", secret, ErrReadable, ErrReadable},
		{"/run/credentials/usher.service/sub/password", secret, ErrReadable, ErrReadable},
		{"/run/credentials/open.service/password", secret, ErrReadable, ErrReadable},
		{"/run/credentials/loose", secret, ErrReadable, ErrReadable},
		{"/run/credentials/usher.service/../usher.service/password", secret, ErrReadable, ErrReadable},
		{"/etc/far2", Rule{}, nil, nil},
		{"/etc/far2", Rule{Write: true}, nil, ErrUntrusted}, // root would write where user usher says
		{"/etc/link", Rule{Write: true}, nil, nil},
		{"/etc/ours", runs, nil, ErrUntrusted}, // root runs only what root alone can write
		{"/etc/seed", runs, nil, nil},
		{"/etc/group", runs, ErrUntrusted, ErrUntrusted},
	} {
		for user, want := range map[int]error{usher: tt.usher, 0: tt.root} {
			s := base.system(user)
			info, err := s.walk(tt.path, tt.rule)
			if err == nil && info != nil {
				err = s.checkMode(tt.path, info, tt.rule)
			}
			if (want == nil) != (err == nil) || want != nil && !errors.Is(err, want) {
				t.Errorf("%s, %+v, as user %d: got %v, want %v", tt.path, tt.rule, user, err, want)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{"/etc/a-b_c.d": "/etc/a-b_c.d", "": "''", "a b": "'a b'", "it's": `'it'\''s'`} {
		if got := quote(path); got != want {
			t.Errorf("%q: %s", path, got)
		}
	}
}
