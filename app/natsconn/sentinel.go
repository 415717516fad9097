package natsconn

import (
	"errors"
	"fmt"
	"io"
	"os"

	"usher/internal/secretfile"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// ErrNoCreds: the file is not a credentials file (.creds) of a user.
var ErrNoCreds = errors.New("holds no user JWT with its seed")

// Sentinel returns an option that presents the sentinel of a .creds file in addition to
// the token. A sentinel is not secret: a client still needs a token. Errors do not repeat
// the path, because people sometimes give the token itself in its place.
func Sentinel(path string) (nats.Option, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", secretfile.WithoutPath(err))
	}
	defer f.Close() //nolint:errcheck // read only
	creds, err := io.ReadAll(io.LimitReader(f, secretfile.MaxSize))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", secretfile.WithoutPath(err))
	}
	text, err := jwt.ParseDecoratedJWT(creds)
	if err != nil {
		return nil, ErrNoCreds
	}
	if _, err := jwt.DecodeUserClaims(text); err != nil {
		return nil, ErrNoCreds
	}
	if _, err := jwt.ParseDecoratedUserNKey(creds); err != nil {
		return nil, ErrNoCreds
	}
	return nats.UserCredentialBytes(creds), nil
}
