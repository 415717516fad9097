package file

import (
	"encoding/base64"
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
		"and replace the key, because it was in a file"
)

// digest is a directory.Digest in the file. Its errors do not quote the text, which may
// be an API key in the wrong place.
type digest directory.Digest

// UnmarshalText accepts the form of directory.Digest, and recognises secrets in its place.
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

// id is a UUID in its canonical form. uuid.Parse also accepts other forms.
type id uuid.UUID

// UnmarshalText accepts 32 hex digits in five groups, and refuses the nil UUID.
func (i *id) UnmarshalText(text []byte) error {
	parsed, err := uuid.ParseBytes(text)
	if err != nil || parsed.String() != strings.ToLower(string(text)) {
		return fmt.Errorf("expected a UUID such as %s, found %s", directory.IDOf(directory.KindUser, "alice"), secret.Quote(string(text)))
	}
	if parsed == uuid.Nil {
		return strictyaml.WithHint(errors.New("the nil UUID identifies nobody"), "omit the key: the UUID is then derived from the name")
	}
	*i = id(parsed)
	return nil
}

// connectionType is lower case in the file and upper case in a user JWT.
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

// pushType is the target of a push.
type pushType string

// UnmarshalText accepts a known push type.
func (p *pushType) UnmarshalText(text []byte) error {
	*p = pushType(text)
	return oneOf(text, "push type", "http_endpoint", "mattermost")
}

// retryType is the schedule of retries of a push.
type retryType string

// UnmarshalText accepts a known retry type.
func (r *retryType) UnmarshalText(text []byte) error {
	*r = retryType(text)
	return oneOf(text, "retry type", "linear", "slowstart")
}

// sealed is a sealed value in base64.
type sealed struct{ bytes []byte }

// UnmarshalText accepts base64. Its error quotes nothing.
func (s *sealed) UnmarshalText(text []byte) (err error) {
	if s.bytes, err = base64.StdEncoding.DecodeString(string(text)); err != nil {
		return errors.New("expected base64")
	}
	return nil
}

// headerText is the value of an Authorization header in clear.
type headerText string

// UnmarshalText accepts what can be in a header. Its error quotes nothing.
func (h *headerText) UnmarshalText(text []byte) error {
	*h = headerText(text)
	return directory.CheckHeader(string(text))
}

// oneOf reports a text that is not one of the known words.
func oneOf(text []byte, kind string, known ...string) error {
	if slices.Contains(known, string(text)) {
		return nil
	}
	return strictyaml.WithHint(fmt.Errorf("unknown %s %s", kind, secret.Name(string(text))),
		strictyaml.Suggest(string(text), "known "+kind+"s", known))
}
