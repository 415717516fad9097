package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestCheck finds what does not compile on Windows: in a package, in its tests, and in the
// tests beside it.
func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"go.mod":        "module example\n\ngo 1.26\n",
		"a.go":          "package a\n\nimport \"example/b\"\n\nfunc A() int { return b.Size }\n",
		"a_test.go":     "package a\n\nimport \"syscall\"\n\nfunc kill() error { return syscall.Kill(A(), 0) }\n",
		"x_test.go":     "package a_test\n\nimport \"example\"\n\nfunc x() { a.A() }\n\nfunc y() { var unused int }\n",
		"b/b.go":        "package b\n",
		"b/size.go":     "//go:build !windows\n\npackage b\n\nconst Size = 1\n",
		"b/own_test.go": "package b\n\nimport \"os\"\n\nvar _ = os.Getpid\n",
	} {
		if dir, _, ok := strings.Cut(name, "/"); ok {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for system, want := range map[string][]string{
		"linux/amd64":   {"declared and not used: unused", "1 errors"},
		"windows/amd64": {"undefined: b.Size", "undefined: syscall.Kill", "declared and not used: unused", "3 errors"},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), []string{system}, &stdout, &stderr)
		if err == nil || !strings.HasPrefix(stdout.String(), system+": 5 packages, ") {
			t.Fatalf("%s: %v\n%s%s", system, err, stdout.String(), stderr.String())
		}
		for _, text := range want {
			if !strings.Contains(stderr.String()+err.Error(), text) {
				t.Errorf("%s: no error %q in %v\n%s", system, text, err, stderr.String())
			}
		}
	}
}
