package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"usher/internal/ownedfile"
)

// Sizes, in bytes.
const (
	maxSeedFile  = 4096    // far above any seed with surrounding white space
	maxStateFile = 8 << 20 // enough for thousands of accounts: one takes 340 bytes with its key
)

// ReadSeed reads a seed file. It refuses a file that others can read or could have
// written (package ownedfile).
func ReadSeed(path string, allowGroup bool) ([]byte, fs.FileInfo, error) {
	b, info, err := readFile(path, maxSeedFile, "a seed", allowGroup)
	return bytes.TrimSpace(b), info, err
}

// readFile reads a file of a keyring with at most limit bytes. what describes its
// content in errors.
func readFile(path string, limit int64, what string, allowGroup bool) ([]byte, fs.FileInfo, error) {
	b, info, err := ownedfile.Read(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Max: limit})
	var failed *fs.PathError
	switch {
	case errors.Is(err, ownedfile.ErrTooLarge):
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", path, limit)
	case errors.As(err, &failed):
		return nil, nil, fmt.Errorf("open file with %s: %w", what, err)
	case err != nil:
		return nil, nil, err
	}
	return b, info, nil
}
