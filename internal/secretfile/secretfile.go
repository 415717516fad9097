// Package secretfile reads and writes files that hold one line of secret text: a
// password, a token, a seed.
//
// A file that others can read, or could have put there, is refused. No error repeats a
// path that cannot be read: people sometimes give the secret itself where its file is
// expected.
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

// Write writes a file that its owner alone can read, in one step.
func Write(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := ownedfile.CheckLink(dir); err != nil { // whoever else made it chooses where the file is written
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	return atomicfile.Write(path, content, 0o600, nil)
}

// MaxSize is far above any password or token.
const MaxSize = 16 << 10

// Read reads a one-line secret from a file that nobody else can read. Its
// errors do not say the path of a file that cannot be read, for it may be the
// secret itself; the caller says which key of the configuration named it.
func Read(path string, allowGroup bool) (string, error) {
	text, err := ReadNamed(path, allowGroup)
	var at *os.PathError
	if errors.As(err, &at) {
		err = Unreadable(err)
	}
	return text, err
}

// ReadNamed is Read, with errors of the system that say the path.
func ReadNamed(path string, allowGroup bool) (string, error) {
	return ReadRule(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Pipe: true})
}

// ReadRule reads the one line of a file that keeps the rule.
func ReadRule(path string, r ownedfile.Rule) (string, error) {
	f, _, err := ownedfile.Open(path, r)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	return ReadLine(f, path)
}

// Unreadable is err, which a secret's file gave, without the path in it.
func Unreadable(err error) error {
	return fmt.Errorf("cannot be read: %w (a relative path starts at the configuration file's directory)", WithoutPath(err))
}

func WithoutPath(err error) error {
	var at *os.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// ReadLine reads one line, without the white space around it. A name that is
// not "stdin" is not said: what was given as a path may be a secret.
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
		return "", fmt.Errorf("%s has no text in it", name)
	case strings.ContainsAny(text, "\r\n"):
		return "", fmt.Errorf("%s holds more than one line", name)
	}
	return text, nil
}

// CheckSecret reports a file with a secret that is not there, that others can read,
// or that others could have put there.
func CheckSecret(path string, allowGroup bool) error {
	return Check(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup})
}

// Check reports a file that does not keep the rule. What cannot be read is not
// named: its path may be a secret.
func Check(path string, r ownedfile.Rule) error {
	err := ownedfile.Check(path, r)
	var at *os.PathError
	if errors.As(err, &at) {
		return Unreadable(err)
	}
	return err
}
