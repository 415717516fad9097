// Package needs is for tests that need programs which Go does not bring. It promises that
// such a test is skipped where somebody has only Go, and fails in CI.
package needs

import (
	"os"
	"os/exec"
	"testing"
)

// Program returns a command of a program that a test needs and Go does not bring, such as
// node. Without the program it skips the test, but in CI it fails.
func Program(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	if _, err := exec.LookPath(name); err != nil {
		Missing(tb, name+" is not installed")
	}
	return exec.CommandContext(tb.Context(), name, args...)
}

// Missing ends a test that needs what this machine has not got. It skips the test, but in
// CI it fails.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	what += ": scripts/interpreters.sh installs on Debian what the tests need besides Go"
	if os.Getenv("CI") != "" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}
