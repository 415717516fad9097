package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// check makes a release for linux/amd64 in two folders, compares them byte for byte, looks
// into what it has made, and runs it.
func check(root string) (err error) {
	c, err := readConfig(root)
	if err != nil {
		return err
	}
	r, err := releaseOf(root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "release-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var made [2]*artifacts
	for i, name := range []string{"one", "a folder of another name"} {
		start := time.Now()
		if made[i], err = r.make(root, filepath.Join(dir, name), c); err != nil {
			return err
		}
		fmt.Printf("made %d files of %s in %s\n", len(made[i].names), r.Version, time.Since(start).Round(time.Millisecond))
	}
	if err := made[0].equal(made[1]); err != nil {
		return err
	}
	one := made[0]
	if err := one.inspectPackages(r); err != nil {
		return err
	}
	if err := one.inspectImage(r, dir); err != nil {
		return err
	}
	return one.start(root, filepath.Join(dir, "installed"))
}

// artifacts is what was made in one folder.
type artifacts struct {
	dir   string
	names []string // of files in it
}

func (a *artifacts) path(suffix string) string {
	i := slices.IndexFunc(a.names, func(name string) bool { return filepath.Ext(name) == suffix })
	return filepath.Join(a.dir, a.names[i])
}

func (r *Release) make(root, dir string, c *config) (*artifacts, error) {
	tree, a := filepath.Join(dir, "source"), &artifacts{dir: filepath.Join(dir, "dist")}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return nil, err
	}
	if err := copyTree(root, tree); err != nil {
		return nil, err
	}
	program := filepath.Join(a.dir, "usher")
	if err := r.build(tree, &c.builds[0], program); err != nil {
		return nil, err
	}
	if err := writeCompletions(program, filepath.Join(tree, "bin", "release", "completions")); err != nil {
		return nil, err
	}
	packages, err := r.packages(tree, &c.packages[0], program, a.dir)
	if err != nil {
		return nil, err
	}
	if err := writeSBOM(r, program, filepath.Join(a.dir, "usher.json")); err != nil {
		return nil, err
	}
	if err := writeImage(r, map[string]string{"amd64": program}, filepath.Join(a.dir, "image.tar")); err != nil {
		return nil, err
	}
	a.names = append([]string{"usher", "usher.json", "image.tar"}, packages...)
	return a, nil
}

// equal compares two builds byte for byte.
func (a *artifacts) equal(b *artifacts) error {
	if !slices.Equal(a.names, b.names) {
		return fmt.Errorf("two builds made other files: %q, %q", a.names, b.names)
	}
	for _, name := range a.names {
		one, err := os.ReadFile(filepath.Join(a.dir, name))
		if err != nil {
			return err
		}
		two, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(one, two) {
			return fmt.Errorf("%s is not reproducible: two builds differ", name)
		}
		fmt.Printf("equal in both builds: %s, %d KiB\n", name, len(one)>>10)
	}
	return nil
}

// output runs a program to its end.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", name, args, err, out)
	}
	return string(out), nil
}
