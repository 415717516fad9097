// Package secretfile reads and writes files that hold one line of secret text: a
// password, a token, a seed.
//
// It refuses a file that others can read or could have created. No error contains a path that
// cannot be read: people sometimes give the secret itself instead of its file.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// Write writes a file with mode 0600 atomically. It creates the folder with mode 0700.
func Write(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := ownedfile.CheckLink(dir); err != nil { // another user could redirect the file
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	return atomicfile.Write(path, content, 0o600, nil)
}

// MaxSize is the largest file that is read, in bytes. Any password or token is far smaller.
const MaxSize = 16 << 10

// Read reads a one-line secret from a file that only its owner and, with allowGroup, its group
// can read. Its errors do not contain a path that cannot be read, which may be the secret
// itself. The caller adds the configuration key.
func Read(path string, allowGroup bool) (string, error) {
	text, err := ReadNamed(path, allowGroup)
	return text, HidePath(err)
}

// ReadNamed is Read, but errors of the operating system contain the path.
func ReadNamed(path string, allowGroup bool) (string, error) {
	return ReadRule(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Pipe: true})
}

// ReadRule reads the line of a file that satisfies the rule.
func ReadRule(path string, r ownedfile.Rule) (string, error) {
	f, _, err := ownedfile.Open(path, r)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	return ReadLine(f, path)
}

// Unreadable wraps the error of a secret's file without its path.
func Unreadable(err error) error {
	return fmt.Errorf("cannot be read: %w (a relative path starts at the configuration file's directory)", WithoutPath(err))
}

// HidePath returns Unreadable(err) if err is of the operating system, which names the path,
// and else err.
func HidePath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return Unreadable(err)
	}
	return err
}

// WithoutPath returns the cause of an *os.PathError, or else err.
func WithoutPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// ReadLine reads one line and trims white space. Errors contain name only if it is "stdin":
// what was given as a path may be a secret.
func ReadLine(r io.Reader, name string) (string, error) {
	if name != "stdin" {
		name = "the file"
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", name, WithoutPath(err))
	}
	text := strings.TrimSpace(string(b))
	switch {
	case len(b) > MaxSize:
		return "", fmt.Errorf("%s is too large", name)
	case text == "":
		return "", fmt.Errorf("%s is empty", name)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("%s has more than one line", name)
	}
	return text, nil
}

// CheckSecret returns an error for a file with a secret that does not exist, that others can
// read or that others could have created.
func CheckSecret(path string, allowGroup bool) error {
	return Check(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup})
}

// Check returns an error for a file that does not satisfy the rule. The error does not contain
// a path that cannot be read, which may be a secret.
func Check(path string, r ownedfile.Rule) error {
	return HidePath(ownedfile.Check(path, r))
}
