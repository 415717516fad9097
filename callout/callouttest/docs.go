package callouttest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// CheckDocsTable checks that the generated part of a page in docs/ equals want, or
// writes it if update is set. Two comments with the name of the part enclose it.
func CheckDocsTable(tb testing.TB, page, part, want string, update bool) {
	tb.Helper()
	begin, end := "<!-- "+part+": made by `go generate ./...` from the code; edit that. -->\n", "<!-- end of "+part+" -->\n"
	path := filepath.Join(ModuleRoot(tb), "docs", page)
	text, err := os.ReadFile(path)
	Must(tb, err)
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		tb.Fatalf("%s has no comments that enclose %q", path, part)
	}
	whole := head + begin + want + end + tail
	switch {
	case update:
		Must(tb, os.WriteFile(path, []byte(whole), 0o644))
	case string(text) != whole:
		tb.Errorf("%s differs from the code: run go generate ./...", path)
	}
}

// ModuleRoot returns the root directory of the module.
func ModuleRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	Must(tb, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			tb.Fatal("no go.mod in any parent directory")
		}
		dir = parent
	}
}
