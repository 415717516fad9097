package cmdutil

import (
	"os"
	"path/filepath"
	"strings"

	"usher/internal/shellword"
)

// Self returns how the user started this program, for commands to paste.
func Self() string {
	// "go run" builds into a temporary directory with this in its name.
	if exe, err := os.Executable(); err != nil || strings.Contains(filepath.ToSlash(exe), "/go-build") {
		return "go run ./cmd/usher"
	}
	return shellword.Quote(os.Args[0])
}
