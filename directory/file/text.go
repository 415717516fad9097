package file

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
	"usher/internal/strictyaml"
)

const (
	keyPrefix  = "usher_" // how an API key begins
	rawKeyHint = "this is the key itself: put its digest here (usher apikey new prints it), " +
		"and replace the key, since it stood in a file"
)

// digest is a directory.Digest as it stands in the file. Its errors say nothing
// of the text, which may be a key that was put in the wrong place.
type digest directory.Digest

// UnmarshalText accepts what directory.Digest does, and knows what was put in its
// place.
func (d *digest) UnmarshalText(text []byte) error {
	err := (*directory.Digest)(d).UnmarshalText(text)
	if err == nil {
		return nil
	}
	switch s := string(text); {
	case strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(s, "sha256:")), keyPrefix):
		return strictyaml.WithHint(errors.New("expected a digest, found an API key"), rawKeyHint)
	case secret.Detect(s):
		return strictyaml.WithHint(errors.New("looks like a secret, found where a digest belongs"), secret.Hint)
	default:
		return err
	}
}

// id is a UUID in its one usual form, which the package of UUIDs does not insist on.
type id uuid.UUID

// UnmarshalText accepts 32 hex digits in five groups, and not the one that means none.
func (i *id) UnmarshalText(text []byte) error {
	parsed, err := uuid.ParseBytes(text)
	if err != nil || parsed.String() != strings.ToLower(string(text)) {
		return fmt.Errorf("expected a UUID such as %s, found %s", directory.IDOf(directory.KindUser, "alice"), secret.Quote(string(text)))
	}
	if parsed == uuid.Nil {
		return strictyaml.WithHint(errors.New("the nil UUID is nobody's"), "leave the key out: the UUID then follows from the name")
	}
	*i = id(parsed)
	return nil
}

// connectionType is in lower case in the file and in upper case in a user JWT.
type connectionType directory.ConnectionType

// UnmarshalText accepts the lower-case name of a known connection type.
func (c *connectionType) UnmarshalText(text []byte) error {
	known := make([]string, 0, len(directory.ConnectionTypes()))
	for _, t := range directory.ConnectionTypes() {
		known = append(known, strings.ToLower(string(t)))
	}
	*c = connectionType(strings.ToUpper(string(text)))
	return oneOf(text, "connection type", known...)
}

// pushType is how messages are pushed.
type pushType string

// UnmarshalText accepts a known way of pushing.
func (p *pushType) UnmarshalText(text []byte) error {
	*p = pushType(text)
	return oneOf(text, "push type", "http_endpoint", "mattermost")
}

// retryType is when a push is tried again.
type retryType string

// UnmarshalText accepts a known way of trying again.
func (r *retryType) UnmarshalText(text []byte) error {
	*r = retryType(text)
	return oneOf(text, "retry type", "linear", "slowstart")
}

// oneOf reports a text that is none of the known words.
func oneOf(text []byte, kind string, known ...string) error {
	if slices.Contains(known, string(text)) {
		return nil
	}
	return strictyaml.WithHint(fmt.Errorf("unknown %s %s", kind, secret.Name(string(text))),
		strictyaml.Suggest(string(text), "known "+kind+"s", known))
}
