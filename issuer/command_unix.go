//go:build unix

package issuer

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inGroup has cmd run in a process group of its own, which ends as a whole when
// its context does: a script that is killed would otherwise leave what it waits
// for behind, one for each request. The returned function ends it too.
func inGroup(cmd *exec.Cmd) (kill func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return func() { _ = cmd.Cancel() } // that it has ended by itself is all the better
}
