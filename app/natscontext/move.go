package natscontext

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
)

// Moved is a path before and after Move.
type Moved struct{ From, To string }

// Move updates the contexts in a folder after the files that they name were moved from one
// folder to another, both absolute. It changes no other path, and returns what it changed.
// Without from nothing was moved.
func Move(folder, from, to string) ([]Moved, error) {
	if from == "" {
		return nil, nil
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Moved
	for _, path := range paths {
		at, err := os.Lstat(path)
		if err != nil {
			return all, err
		}
		if !at.Mode().IsRegular() { // writing would replace a link
			continue
		}
		text, info, err := ownedfile.Read(path, ownedfile.Rule{NoGroupWrite: true, Max: maxSize})
		if err != nil {
			return all, err
		}
		changed, moved := move(text, from, to)
		if len(moved) == 0 {
			continue
		}
		if err := atomicfile.Write(path, changed, info.Mode().Perm(), atomicfile.KeepOwner(info)); err != nil {
			return all, fmt.Errorf("move: %w", err)
		}
		all = append(all, moved...)
	}
	return all, nil
}

// filePath matches the keys that can have the path of a file, with their values.
var filePath = regexp.MustCompile(`("(?:creds|nkey|cert|key|ca|token|password|user_jwt|user_seed)"\s*:\s*)("(?:[^"\\]|\\.)*")`) //nolint:gochecknoglobals // a parsed constant

// move returns the text of a context with the new paths.
func move(text []byte, from, to string) ([]byte, []Moved) {
	var moved []Moved
	text = filePath.ReplaceAllFunc(text, func(match []byte) []byte {
		parts := filePath.FindSubmatch(match)
		var value string
		if json.Unmarshal(parts[2], &value) != nil {
			return match
		}
		path, isReference := strings.CutPrefix(value, schemeFile)
		rest, below := strings.CutPrefix(filepath.FromSlash(path), from+string(filepath.Separator))
		if !below {
			return match
		}
		m := Moved{filepath.Join(from, rest), filepath.Join(to, rest)}
		if value = m.To; isReference {
			value = FileReference(m.To)
		}
		quoted, err := json.Marshal(value)
		if err != nil {
			return match
		}
		if !slices.Contains(moved, m) {
			moved = append(moved, m)
		}
		return append(slices.Clone(parts[1]), quoted...)
	})
	return text, moved
}
