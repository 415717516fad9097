package file

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"usher/directory"
	"usher/secret"
	"usher/strictyaml"
)

const (
	digestPrefix = "sha256:"
	keyPrefix    = "usher_" // how an API key begins
	rawKeyHint   = "this is the key itself: put its digest here (usher apikey new prints it), " +
		"and replace the key, since it stood in a file"
)

// digest is a directory.Digest as it stands in the file. Its errors say nothing
// of the text, which may be a key that was put in the wrong place.
type digest directory.Digest

// UnmarshalText accepts "sha256:" and 64 hex digits.
func (d *digest) UnmarshalText(text []byte) error {
	s := string(text)
	hexed, isDigest := strings.CutPrefix(s, digestPrefix)
	if strings.HasPrefix(strings.TrimSpace(hexed), keyPrefix) {
		return strictyaml.WithHint(errors.New("expected a digest, found an API key"), rawKeyHint)
	}
	if secret.Holds(s) {
		return strictyaml.WithHint(errors.New("looks like a secret, found where a digest belongs"), secret.Hint)
	}
	sum, err := hex.DecodeString(hexed)
	if !isDigest || err != nil || len(sum) != len(d) {
		return errors.New("expected sha256: and 64 hex digits")
	}
	copy(d[:], sum)
	return nil
}

// connectionType is in lower case in the file and in upper case in a user JWT.
type connectionType directory.ConnectionType

// UnmarshalText accepts the lower-case name of a known connection type.
func (c *connectionType) UnmarshalText(text []byte) error {
	known := make([]string, 0, len(directory.ConnectionTypes()))
	for _, t := range directory.ConnectionTypes() {
		name := strings.ToLower(string(t))
		if name == string(text) {
			*c = connectionType(t)
			return nil
		}
		known = append(known, name)
	}
	return strictyaml.WithHint(fmt.Errorf("unknown connection type %s", secret.Name(string(text))),
		strictyaml.Suggest(string(text), "known connection types", known))
}
