package file

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"usher/directory"
	"usher/strictyaml"
)

// keyPrefix is how an API key begins.
const keyPrefix = "usher_"

// minKeyLength tells an API key from a name that happens to begin like one.
const minKeyLength = 32

const (
	digestPrefix = "sha256:"
	rawKeyHint   = "this is the key itself: put its digest here (usher apikey new prints it), " +
		"and replace the key, since it stood in a file"
	rawKeyAsIDHint = "this is the key itself: give it a name of your choice here, " +
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
	sum, err := hex.DecodeString(hexed)
	if !isDigest || err != nil || len(sum) != len(d) {
		return errors.New("expected sha256: and 64 hex digits")
	}
	copy(d[:], sum)
	return nil
}

// keyID is the public name of a key, which appears in logs.
type keyID string

// UnmarshalText refuses what looks like the key itself.
func (k *keyID) UnmarshalText(text []byte) error {
	if len(text) >= minKeyLength && strings.HasPrefix(strings.TrimSpace(string(text)), keyPrefix) {
		return strictyaml.WithHint(errors.New("expected the name of a key, found an API key"), rawKeyAsIDHint)
	}
	*k = keyID(text)
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
	return strictyaml.WithHint(fmt.Errorf("unknown connection type %.40q", text),
		strictyaml.Suggest(string(text), "known connection types", known))
}
