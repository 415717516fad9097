package callouttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// NATSServerPackage is the main package of nats-server, at the version in go.mod.
const NATSServerPackage = "github.com/nats-io/nats-server/v2"

// Build builds a program with the go command and returns its path. It is removed when
// the test ends.
func Build(tb testing.TB, name, pkg string) string {
	tb.Helper()
	return BuildIn(tb, "", name, pkg)
}

// BuildIn is Build in a folder, which can be that of another module. If it is empty, the
// folder is that of the test.
//
// It copies the program that "go run" builds: the build cache keeps that one, and so links
// it once for all tests. "go build" links a program each time that a test needs it.
func BuildIn(tb testing.TB, dir, name, pkg string) string {
	tb.Helper()
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	program := filepath.Join(tb.TempDir(), name)
	args := []string{"run", "-exec", "cp", pkg, program}
	if runtime.GOOS == "windows" { // it has no cp
		args = []string{"build", "-o", program, pkg}
	}
	cmd := exec.CommandContext(tb.Context(), "go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("go %s: %v\n%s", args, err, out)
	}
	Must(tb, os.Chmod(program, 0o755)) // independent of the umask: others must not be able to write a signing program
	return program
}
