// Package nkey verifies clients that sign the nonce of nats-server with a user nkey of
// the directory.
//
// It promises that nobody connects with a signature made for another connection. The
// nonce is nats-server's: it draws one at random for each connection, and names it in the
// request, which it signs and the service verifies. So a signature that somebody has seen
// is worth nothing for the next connection. It does not bind the signature to a server:
// whoever makes a client connect to it can pass a nonce on, as in NATS without auth
// callout, so that clients need TLS.
//
// A signature without an nkey is not a login: in operator mode, it belongs to the NATS
// user JWT beside it, which may be the sentinel.
package nkey

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/nats-io/nkeys"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeUnknown   = "nkey_unknown"
	CodeUnsigned  = "nkey_unsigned"
	CodeSignature = "nkey_signature"
)

// publicLength is the length of every public nkey.
const publicLength = 56

// Verifier looks up user nkeys in the directory of the decision.
type Verifier struct {
	snapshot func() *snapshot.Snapshot
	now      func() time.Time
}

var _ tokens.Rechecker = (*Verifier)(nil)

// NewVerifier returns a Verifier. snapshot is the fallback of
// tokens.Credential.Directory.
func NewVerifier(snapshot func() *snapshot.Snapshot, now func() time.Time) *Verifier {
	return &Verifier{snapshot: snapshot, now: now}
}

// Name returns "nkey".
func (*Verifier) Name() string { return "nkey" }

// Verify implements tokens.Verifier. nats-server has not verified the signature: it does
// that only for the nkeys of its own configuration.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if c.NKey == "" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	rec, err := v.find(c)
	if err != nil {
		return identity.Identity{}, err
	}
	id := identity.Identity{
		Name:      rec.User.Name,
		Authority: identity.AuthorityDirectory,
		Method:    identity.MethodNKey,
		KeyID:     rec.Key.ID,
		KeyPrint:  rec.Key.Print(),
		NotAfter:  rec.Key.Expires,
		Networks:  rec.Key.Networks,
	}
	if c.Signature == "" || c.Nonce == "" {
		return identity.Identity{}, tokens.Reject(CodeUnsigned, "the client sent an nkey and did not sign a nonce of the server", id)
	}
	if !Signed(c.NKey, c.Nonce, c.Signature) {
		return identity.Identity{}, tokens.Reject(CodeSignature, "the nonce of the server is not signed with this nkey", id)
	}
	if id.Selection, err = c.UserSelection(); err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), id)
	}
	id.Selection.OwnName = id.Selection.IsZero() && c.User == rec.User.Name
	if err := tokens.CheckKey(rec, c, id, v.now()); err != nil {
		return identity.Identity{}, err
	}
	return id, nil
}

// find returns the key of the directory whose text is the nkey of the client. The
// directory holds nkeys in their usual form only, so no other form of one is found.
func (v *Verifier) find(c *tokens.Credential) (directory.KeyRecord, error) {
	s := c.Directory(v.snapshot)
	if s == nil {
		return directory.KeyRecord{}, fmt.Errorf("%w: no directory is loaded", tokens.ErrUnavailable)
	}
	unknown := tokens.Unknown(CodeUnknown, "no user has this nkey")
	if len(c.NKey) != publicLength {
		return directory.KeyRecord{}, unknown
	}
	digest := directory.NKeyDigest(c.NKey)
	rec, ok := s.LookupKey(digest)
	switch {
	case ok && rec.Key.Kind() == directory.KeyNKey:
		return rec, nil
	case s.Undecided(digest):
		return directory.KeyRecord{}, fmt.Errorf("%w: directory entries that may hold this nkey cannot be read", tokens.ErrUnavailable)
	default:
		return directory.KeyRecord{}, unknown
	}
}

// Signed reports whether a public user nkey has signed the nonce. FromPublicKey excludes
// points of small order, for which a signature can be made without a private key.
func Signed(public, nonce, signature string) bool {
	sig, ok := decodeSignature(signature)
	if !ok || len(public) != publicLength || public[0] != userPrefix {
		return false
	}
	key, err := nkeys.FromPublicKey(public)
	return err == nil && key.Verify([]byte(nonce), sig[:]) == nil
}

// userPrefix is the first letter of the nkeys of users, and of no others.
const userPrefix = 'U'

// decodeSignature decodes a signature as nats-server does: base64url without padding, or
// standard base64 with it. The length is checked first, so that no text is long.
func decodeSignature(text string) (sig [ed25519.SignatureSize]byte, ok bool) {
	var buffer [ed25519.SignatureSize + 2]byte // room for what padding stands for
	encoding := base64.RawURLEncoding
	switch len(text) {
	case base64.RawURLEncoding.EncodedLen(len(sig)):
	case base64.StdEncoding.EncodedLen(len(sig)):
		encoding = base64.StdEncoding
	default:
		return sig, false
	}
	n, err := encoding.Decode(buffer[:], []byte(text))
	if err != nil || n != len(sig) {
		return sig, false
	}
	return [ed25519.SignatureSize]byte(buffer[:n]), true
}

// Recheck implements tokens.Rechecker.
func (v *Verifier) Recheck(c *tokens.Credential, id identity.Identity) (identity.Identity, error) {
	return tokens.RecheckKey(c.Directory(v.snapshot), c, id, directory.KeyNKey, CodeUnknown, v.now())
}
