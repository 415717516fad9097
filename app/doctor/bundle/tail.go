package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxTail bounds how much of the end of a file is read.
const maxTail = 8 << 20

// Tail returns the last lines of a file, at most n.
func Tail(file string, n int) (text string, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // opening a pipe could wait without end
		return "", fmt.Errorf("%s is no regular file", file)
	}
	f, err := os.Open(file) //nolint:gosec // the caller names it
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err = f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", file)
	}
	from := max(0, info.Size()-maxTail)
	data, err := io.ReadAll(io.NewSectionReader(f, from, maxTail))
	if err != nil {
		return "", err
	}
	text = string(data)
	if from > 0 { // the first line is cut, and what looks like a secret may be too
		_, text, _ = strings.Cut(text, "\n")
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-n):], ""), nil
}
