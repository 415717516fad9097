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

// ErrNoCreds: a file that should be credentials (.creds) of a user is none.
var ErrNoCreds = errors.New("holds no user JWT with its seed")

// Sentinel makes a client present the sentinel of a .creds file beside its
// token. That is no secret: whoever has it still has to present a token. A path
// is not repeated in errors; it may be a token that went astray.
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
