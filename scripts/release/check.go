package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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
	from := root
	for i, name := range []string{"one", "a folder of another name"} {
		// The second build compiles nothing again: with -trimpath the build cache is good for
		// any folder. It links, packs and describes everything again.
		if err := timed("make "+r.Version+" in "+strconv.Quote(name), func() (err error) {
			made[i], err = r.make(from, filepath.Join(dir, name), c)
			return err
		}); err != nil {
			return err
		}
		from = made[0].source // not root again, where someone may have changed a file meanwhile
	}
	one := made[0]
	return errors.Join(
		timed("compare both byte for byte", func() error { return one.equal(made[1]) }),
		timed("look into deb and rpm", func() error { return one.inspectPackages(r) }),
		timed("look into the image and run it", func() error { return one.inspectImage(r, dir) }),
		timed("start what the deb installs", func() error { return one.start(root, filepath.Join(dir, "installed")) }),
	)
}

// timed says what is done and how long that took.
func timed(what string, do func() error) error {
	fmt.Println(what)
	start := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	fmt.Printf("  took %s\n", time.Since(start).Round(10*time.Millisecond))
	return nil
}

// artifacts is what was made in one folder.
type artifacts struct {
	source string
	dir    string
	names  []string // of files in dir
}

func (a *artifacts) path(suffix string) string {
	i := slices.IndexFunc(a.names, func(name string) bool { return filepath.Ext(name) == suffix })
	return filepath.Join(a.dir, a.names[i])
}

func (r *Release) make(root, dir string, c *config) (*artifacts, error) {
	tree := filepath.Join(dir, "source")
	a := &artifacts{source: tree, dir: filepath.Join(dir, "dist")}
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
		fmt.Printf("  equal in both: %s, %d KiB\n", name, len(one)>>10)
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
