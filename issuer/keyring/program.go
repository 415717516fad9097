package keyring

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"usher/internal/ownedfile"
)

// CheckProgram refuses a program that other users can replace, and arguments that name a
// file which they can replace, such as a script, also after "=". It is no error if the
// program does not exist: it may be installed later. But other users must not be able to
// create it.
//
// For root it refuses every argument that names anything that other users can replace,
// because a socket of today can be a script tomorrow. For other users it checks regular
// files only, so that an argument may name the socket of a service of another user.
func CheckProgram(argv []string) error {
	if len(argv) == 0 || argv[0] == "" {
		return nil // NewCommand refuses it
	}
	rule := ownedfile.Rule{Exec: true}
	if path, err := exec.LookPath(argv[0]); err == nil {
		if err := ownedfile.Check(path, rule); err != nil {
			return err
		}
	} else if filepath.IsAbs(argv[0]) {
		if err := ownedfile.Check(argv[0], rule); errors.Is(err, ownedfile.ErrUntrusted) {
			return err
		}
	}
	for _, arg := range argv[1:] {
		_, value, _ := strings.Cut(arg, "=")
		for _, path := range []string{arg, value} {
			if !namesFile(path) {
				continue
			}
			if err := ownedfile.Check(path, rule); errors.Is(err, ownedfile.ErrUntrusted) {
				return err
			}
		}
	}
	return nil
}

// namesFile reports whether an argument is a path to check.
func namesFile(arg string) bool {
	if strings.HasPrefix(arg, "/dev/std") || strings.HasPrefix(arg, "/dev/fd/") {
		return false // the program's own file descriptors
	}
	if os.Geteuid() == 0 && filepath.IsAbs(arg) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}
