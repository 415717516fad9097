// Package natsjwt verifies clients that connect with a NATS user JWT of their own, issued
// by an account that the configuration trusts.
//
// nats-server sends a JWT to usher in operator mode, after it has verified it, and then
// only if the JWT belongs to an account with auth callout. In config mode it sends none,
// but for the password of an MQTT client, which it has not verified. So the package relies
// on nothing that a server may have checked.
//
// In operator mode every request has a JWT: that of the sentinel, unless the client has
// its own. The package promises to take none for a credential that may be the sentinel's:
// one beside a token, a password or an nkey; one that Config.Sentinels names; and, unless
// Config.Bearer is set, one that proves nothing because it needs no signature.
package natsjwt

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"usher/identity"
	"usher/tokens"
	"usher/tokens/nkey"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeMalformed   = "natsjwt_malformed"
	CodeIssuer      = "natsjwt_issuer"
	CodeExpired     = "natsjwt_expired"
	CodeNotYetValid = "natsjwt_not_yet_valid"
	CodeRevoked     = "natsjwt_revoked"
	CodeSignature   = "natsjwt_signature"
	CodeNetwork     = "natsjwt_network"
	CodeTimes       = "natsjwt_times"
	CodeConnection  = "natsjwt_connection"
)

// Config describes a Verifier.
type Config struct {
	Name identity.Authority

	// Accounts are the public keys of the accounts whose users are accepted. Without
	// Operators an account must have issued the JWT with this key itself.
	Accounts []string
	// Operators are public keys that sign account JWTs: identity or signing keys of
	// operators. The JWT of the account is then in Dir, and says which signing keys it
	// has and which users it has revoked. Empty Accounts: every account of the operators.
	Operators []string
	Dir       string // of account JWTs, such as that of a nats-server's resolver, or of nsc

	Bearer    bool     // accept JWTs that need no signature
	Sentinels []string // public nkeys of the users whose JWTs are sentinels

	Leeway time.Duration // between the clocks of issuers and usher, for the beginning of a JWT
	Now    func() time.Time
}

// The limits of what is parsed and kept.
const (
	maxLength = 64 << 10
	cacheSize = 4096
)

// Verifier verifies user JWTs.
type Verifier struct {
	cfg          Config
	trust        atomic.Pointer[trust]
	decoded      *lru.Cache[[sha256.Size]byte, *jwt.UserClaims] // of trusted issuers
	hits, misses atomic.Uint64
	loads        atomic.Uint64
	failures     atomic.Uint64
}

var (
	_ tokens.Observable = (*Verifier)(nil)
	_ tokens.Background = (*Verifier)(nil)
)

// name is that of the verifier and of what it shows.
const name = "natsjwt"

// NewVerifier returns a Verifier. It reads Config.Dir.
func NewVerifier(cfg Config) (*Verifier, error) { //nolint:gocritic // a description, used once
	v := &Verifier{cfg: cfg}
	var err error
	if v.decoded, err = lru.New[[sha256.Size]byte, *jwt.UserClaims](cacheSize); err != nil {
		return nil, err
	}
	v.trust.Store(&trust{})
	if err := v.load(); err != nil {
		return nil, err
	}
	return v, nil
}

// Name returns "natsjwt".
func (*Verifier) Name() string { return name }

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(_ context.Context, c *tokens.Credential) (identity.Identity, error) {
	if c.NATSJWT == "" || c.NKey != "" || c.Token() != "" {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	digest := sha256.Sum256([]byte(c.NATSJWT))
	claims, known := v.decoded.Get(digest)
	if !known {
		v.misses.Add(1)
		var err error
		if claims, err = decode(c.NATSJWT); err != nil {
			return identity.Identity{}, tokens.Reject(CodeMalformed, err.Error(), identity.Identity{})
		}
	} else {
		v.hits.Add(1)
	}
	if slices.Contains(v.cfg.Sentinels, claims.Subject) {
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	from, err := v.trust.Load().issuerOf(claims, &v.cfg)
	bearer := claims.BearerToken
	if err == nil {
		bearer = from.limits.BearerToken
	}
	if bearer && !v.cfg.Bearer { // it may be the sentinel
		return identity.Identity{}, tokens.ErrNotApplicable
	}
	if err != nil {
		return identity.Identity{}, err
	}
	if !known {
		v.decoded.Add(digest, claims)
	}
	return v.check(c, claims, &from)
}

// decode verifies that the issuer which a JWT names has signed it.
func decode(text string) (*jwt.UserClaims, error) {
	if len(text) > maxLength {
		return nil, errors.New("the user JWT is too long")
	}
	claims, err := jwt.DecodeUserClaims(text)
	switch {
	case err != nil: // its text may quote the JWT
		return nil, errors.New("it is not a user JWT that its issuer has signed")
	case claims.Version != 2:
		return nil, errors.New("it is a user JWT of an old version")
	case !nkeys.IsValidPublicUserKey(claims.Subject):
		return nil, errors.New("the subject of the user JWT is not a user")
	default:
		return claims, nil
	}
}

// check returns the identity of a JWT of a trusted issuer, if it may be used now and for
// this connection. The client proves first that the JWT is its own.
func (v *Verifier) check(c *tokens.Credential, claims *jwt.UserClaims, from *issuer) (identity.Identity, error) {
	now := v.cfg.Now()
	id := identity.Identity{
		ID: claims.Subject, Authority: v.cfg.Name, Method: identity.MethodNATSJWT,
		Attributes: attributes(claims, from),
	}
	reject := func(code, cause string) (identity.Identity, error) {
		return identity.Identity{}, tokens.Reject(code, cause, id)
	}
	if !from.limits.BearerToken && !nkey.Signed(claims.Subject, c.Nonce, c.Signature) {
		return reject(CodeSignature, "the nonce of the server is not signed with the nkey of the user JWT")
	}
	if from.isRevoked(claims) {
		return reject(CodeRevoked, "the account has revoked the user JWT")
	}
	if claims.NotBefore > 0 && now.Add(v.cfg.Leeway).Unix() < claims.NotBefore {
		return reject(CodeNotYetValid, "the user JWT is not valid yet")
	}
	ends := []int64{claims.Expires, from.expires}
	for _, end := range ends {
		if end > 0 && now.Unix() >= end {
			return reject(CodeExpired, "the user JWT, or that of its account, has expired")
		}
		id.NotAfter = earlier(id.NotAfter, unix(end))
	}
	if end, ok := withinTimes(&from.limits, now); ok {
		id.NotAfter = earlier(id.NotAfter, end)
	} else {
		return reject(CodeTimes, "the user JWT may not be used at this time of the day")
	}
	var ok bool
	if id.Networks, ok = networks(&from.limits, c.Addr()); !ok {
		return reject(CodeNetwork, "the user JWT may not be used from this address")
	}
	if !allowed(&from.limits, c.Connection.Types) {
		return reject(CodeConnection, "the user JWT may not be used for this type of connection, or needs a proxy")
	}
	var err error
	if id.Selection, err = c.UserSelection(); err != nil {
		return reject(tokens.CodeSelection, err.Error())
	}
	return id, nil
}

// attributes are what rules of identities can ask for, below "nats".
func attributes(claims *jwt.UserClaims, from *issuer) identity.Attributes {
	tags := make([]any, len(claims.Tags))
	for i, t := range claims.Tags {
		tags[i] = t
	}
	return identity.Attributes{"nats": map[string]any{
		"name": claims.Name, "user": claims.Subject, "account": from.account, "account_name": from.name,
		"issuer": claims.Issuer, "role": from.role, "tags": tags, "bearer": from.limits.BearerToken,
	}}
}

// Status returns the state of the directory of account JWTs and of the cache.
func (v *Verifier) Status() tokens.Status {
	s := tokens.Status{Caches: []tokens.CacheStatus{{
		Name: name, Entries: v.decoded.Len(), Max: cacheSize, Hits: v.hits.Load(), Misses: v.misses.Load(),
	}}}
	if v.cfg.Dir != "" {
		b := tokens.BackendStatus{Name: name + ":" + v.cfg.Dir, Up: true, Requests: v.loads.Load(), Failures: v.failures.Load()}
		if err := v.trust.Load().failed; err != nil {
			b.Up, b.Error = false, err.Error()
		}
		s.Backends = append(s.Backends, b)
	}
	return s
}

func unix(seconds int64) time.Time {
	if seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// earlier returns the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// errStale: the issuer is unknown, and the account JWTs are older than they should be.
var errStale = fmt.Errorf("%w: the account JWTs cannot be read, and those read before do not have the issuer", tokens.ErrUnavailable)

func containsFold(list []string, text string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, text) })
}
