package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is a package as "go list" describes it. A package with tests is there three times:
// alone, with the tests in the package, and as the package of the tests beside it.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string // from the path in the source to an ImportPath
	Module     *struct {
		Main      bool
		GoVersion string
	}
}

// own reports whether the package belongs to this module.
func (p *pkg) own() bool { return p.Module != nil && p.Module.Main }

func (p *pkg) files() []string {
	var paths []string
	for _, name := range p.GoFiles {
		paths = append(paths, filepath.Join(p.Dir, name))
	}
	return paths
}

// list returns the packages of the module, their tests and all dependencies, each behind
// those that it imports. They are those of a build without cgo.
func list(ctx context.Context, goos, arch string) ([]*pkg, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,Module", "./...")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var packages []*pkg
	for d := json.NewDecoder(out); ; {
		p := &pkg{}
		err := d.Decode(p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if !strings.HasSuffix(p.ImportPath, ".test") { // the main function of a test program, which go test writes
			packages = append(packages, p)
		}
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, said.String())
	}
	return packages, nil
}
