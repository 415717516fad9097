//go:build unix

package issuer

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inGroup runs cmd in its own process group, and kills the whole group when the
// context ends. Otherwise each killed script would leave behind the process that it
// waits for. The returned function kills the group, too.
func inGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return func() { _ = cmd.Cancel() } // an error means that it has already exited
}
