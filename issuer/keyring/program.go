package keyring

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"usher/internal/ownedfile"
)

// CheckProgram reports a program that others could have put there, or a file that its
// arguments name, such as a script, also behind "=". One that is not there is no fault
// of the keyring: it may come, and until then nothing is signed with that key. But
// others must not be able to be the ones that put it there.
//
// Root takes no argument at all that leads to what others can exchange, whatever is
// there now: a socket can become a script. For other users only files count, so that
// an argument may name the socket of a service that runs as somebody else.
func CheckProgram(argv []string) error {
	if len(argv) == 0 || argv[0] == "" {
		return nil // which NewCommand refuses
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

// namesFile reports whether an argument is a path that has to keep the rule.
func namesFile(arg string) bool {
	if strings.HasPrefix(arg, "/dev/std") || strings.HasPrefix(arg, "/dev/fd/") {
		return false // the program's own, not ours
	}
	if os.Geteuid() == 0 && filepath.IsAbs(arg) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}
