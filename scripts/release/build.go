package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// build makes the program for linux/amd64 in a tree, as goreleaser would.
func (r *Release) build(tree string, b *buildConfig, output string) error {
	if !slices.Contains(b.GOOS, "linux") || !slices.Contains(b.GOARCH, "amd64") {
		return fmt.Errorf("builds: no linux/amd64 in %q, %q", b.GOOS, b.GOARCH)
	}
	args := append([]string{"build"}, b.Flags...)
	ldflags, err := r.expand(strings.Join(b.LDFlags, " "))
	if err != nil {
		return err
	}
	args = append(args, "-ldflags="+ldflags, "-o", output, b.Main)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stderr = tree, os.Stderr
	cmd.Env = append(append(os.Environ(), b.Env...), "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	stamp, err := r.expand(b.ModTimestamp)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("mod_timestamp: %w", err)
	}
	at := time.Unix(seconds, 0)
	return os.Chtimes(output, at, at)
}

// releaseOf describes the commit of a tree as goreleaser --snapshot does.
func releaseOf(root string) (*Release, error) {
	out, err := git(root, "log", "-1", "--format=%H %h %ct")
	if err != nil {
		return nil, err
	}
	var r Release
	var short string
	var seconds int64
	if _, err := fmt.Sscan(out, &r.Revision, &short, &seconds); err != nil {
		return nil, err
	}
	r.Date = time.Unix(seconds, 0).UTC()
	r.Version = "0.0.1-snapshot.g" + short
	return &r, nil
}

func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// copyTree makes a clone of a tree with its uncommitted changes.
func copyTree(root, to string) error {
	if _, err := git(root, "clone", "--quiet", "--shared", "--no-checkout", root, to); err != nil {
		return err
	}
	if _, err := git(to, "reset", "--quiet"); err != nil {
		return err
	}
	list, err := git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.Trim(list, "\x00"), "\x00") {
		from, into := filepath.Join(root, name), filepath.Join(to, name)
		info, err := os.Lstat(from)
		if err != nil {
			continue // removed, and not committed yet
		}
		if err := os.MkdirAll(filepath.Dir(into), 0o755); err != nil {
			return err
		}
		if info.Mode()&os.ModeSymlink != 0 {
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, into); err != nil {
				return err
			}
			continue
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(into, text, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}
