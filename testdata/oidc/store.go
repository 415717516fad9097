package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const tokenLifetime = time.Hour

var (
	errUnknown     = errors.New("not known")
	errUnsupported = errors.New("not supported by the test provider")
)

// store is the op.Storage of the provider, in memory.
type store struct {
	mu       sync.Mutex
	keys     []*key // the last one signs
	made     int
	ended    int                     // sessions
	requests map[string]*authRequest // by id
	codes    map[string]string       // authorization code → id
	devices  map[string]*op.DeviceAuthorizationState
	users    map[string]string // user code → device code
}

var (
	_ op.Storage                    = (*store)(nil)
	_ op.ClientCredentialsStorage   = (*store)(nil)
	_ op.DeviceAuthorizationStorage = (*store)(nil)
)

func newStore() (*store, error) {
	s := &store{
		requests: map[string]*authRequest{}, codes: map[string]string{},
		devices: map[string]*op.DeviceAuthorizationState{}, users: map[string]string{},
	}
	return s, s.rotate()
}

// logIn completes a login as the user of its login hint.
func (s *store) logIn(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.requests[id]
	if !ok {
		return errUnknown
	}
	a.subject, a.done, a.at = person, true, time.Now()
	if user, ok := strings.CutPrefix(a.request.LoginHint, "as:"); ok {
		a.subject = user
	}
	return nil
}

func (s *store) approveDevice(userCode string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[s.users[userCode]]
	if !ok {
		return errUnknown
	}
	d.Done, d.Subject, d.AuthTime = true, person, time.Now()
	return nil
}

func (s *store) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &authRequest{id: rand.Text(), request: r}
	s.requests[a.id] = a
	return a, nil
}

func (s *store) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a, ok := s.requests[id]; ok {
		return a, nil
	}
	return nil, errUnknown
}

func (s *store) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *store) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *store) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *store) CreateAccessToken(context.Context, op.TokenRequest) (string, time.Time, error) {
	return rand.Text(), time.Now().Add(tokenLifetime), nil
}

func (s *store) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errUnsupported
}

func (s *store) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, op.ErrInvalidRefreshToken
}

func (s *store) GetRefreshTokenInfo(context.Context, string, string) (string, string, error) {
	return "", "", op.ErrInvalidRefreshToken
}

func (s *store) TerminateSession(context.Context, string, string) error { return nil }

func (s *store) RevokeToken(context.Context, string, string, string) *oidc.Error { return nil }

func (s *store) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1], nil
}

func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *store) KeySet(context.Context) ([]op.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []op.Key
	for _, k := range s.keys {
		keys = append(keys, publicKey{k})
	}
	return keys, nil
}

func (s *store) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	switch id {
	case nativeID:
		return &client{id: id}, nil
	case serviceID:
		return &client{id: id, service: true}, nil
	}
	return nil, errUnknown
}

func (s *store) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != serviceID || secret != serviceSecret {
		return errUnknown
	}
	return nil
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, secret); err != nil {
		return nil, err
	}
	return s.GetClientByClientID(ctx, id)
}

func (s *store) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &serviceRequest{client: id, scopes: scopes}, nil
}

func (s *store) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, user, _ string, _ []string) error {
	info.Subject = user
	return nil
}

func (s *store) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	info.Subject = subject
	return nil
}

// SetIntrospectionFromToken says of a token what its own claims would (RFC 7662).
func (s *store) SetIntrospectionFromToken(_ context.Context, r *oidc.IntrospectionResponse, _, subject, id string) error {
	r.Active, r.Subject, r.ClientID, r.Audience = true, subject, id, oidc.Audience{audience}
	return nil
}

// GetPrivateClaimsFromScopes gives every access token the groups of its user, and that of a person its session.
func (s *store) GetPrivateClaimsFromScopes(_ context.Context, user, _ string, _ []string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	claims := map[string]any{"groups": []string{"shop"}, "preferred_username": user}
	if user != serviceID {
		claims["sid"] = "session-" + strconv.Itoa(s.ended)
	}
	return claims, nil
}

func (s *store) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errUnsupported
}

func (s *store) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errUnsupported
}

func (s *store) Health(context.Context) error { return nil }

func (s *store) StoreDeviceAuthorization(_ context.Context, id, deviceCode, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.users[userCode]; ok {
		return op.ErrDuplicateUserCode
	}
	s.devices[deviceCode] = &op.DeviceAuthorizationState{
		ClientID: id, Audience: []string{id, audience}, Scopes: scopes, Expires: expires, AMR: []string{"pwd"},
	}
	s.users[userCode] = deviceCode
	return nil
}

func (s *store) GetDeviceAuthorizatonState(_ context.Context, id, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[deviceCode]
	if !ok || d.ClientID != id {
		return nil, errUnknown
	}
	copied := *d
	return &copied, nil
}
