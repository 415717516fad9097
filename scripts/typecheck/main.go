// Command typecheck type-checks all packages of this module and their tests for other
// systems: typecheck windows/amd64 darwin/arm64. "go vet" would compile every dependency
// for them first; typecheck reads only the declarations of dependencies, from their source.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "typecheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, systems []string, stdout, stderr io.Writer) error {
	failed := map[string]bool{} // each error once: a package is there with its tests, too
	for _, name := range systems {
		goos, arch, ok := strings.Cut(name, "/")
		if !ok {
			return fmt.Errorf("%s is not SYSTEM/ARCHITECTURE", name)
		}
		packages, err := list(ctx, goos, arch)
		if err != nil {
			return err
		}
		own, errs := check(packages, arch)
		for _, err := range errs {
			text := fmt.Sprintf("%s: %v", name, err)
			if !failed[text] {
				fmt.Fprintln(stderr, text)
			}
			failed[text] = true
		}
		fmt.Fprintf(stdout, "%s: %d packages, tests included, in %d with dependencies\n", name, own, len(packages))
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d errors", len(failed))
	}
	return nil
}
