package push

import (
	"cmp"
	"context"
	"time"

	"usher/api/apierror"

	"usher/callout/ratelimit"
	"usher/directory"
	"usher/internal/outbound"
)

// Sealer seals authorization headers (package issuer/sharedkey/box).
type Sealer interface {
	Seal(ctx context.Context, plaintext []byte, context string) ([]byte, error)
	Open(ctx context.Context, sealed []byte, context string) ([]byte, error)
	Fresh(sealed []byte) bool
}

// Config is what the handlers need.
type Config struct {
	// Client asks endpoints for their verification hash, and says which addresses may be
	// configured; nil: one with the default rules.
	Client *outbound.Client
	// Box seals authorization headers; nil: subscriptions have none.
	Box Sealer
	// States tells how pushes go; nil: nobody knows.
	States States
	// Timeout bounds how long an endpoint may take to show its verification hash; 0: 5 s.
	Timeout time.Duration
	// HeaderGrace is how long the previous header is shown after a rotation.
	HeaderGrace time.Duration
	Now         func() time.Time
}

// Handlers are the handlers of this package.
type Handlers struct {
	cfg       Config
	verifying *ratelimit.Failures // verifications, by project
}

// Limits on verifications of one project, so that nobody floods a host with requests of usher.
const (
	verificationsPerSecond = 0.2
	verificationBurst      = 10
)

// New returns the handlers. The zero Config is enough for Routes.
func New(cfg Config) *Handlers { //nolint:gocritic // the handlers keep the copy
	if cfg.Client == nil {
		cfg.Client = outbound.New(outbound.Rules{Ports: []uint16{443, 8443}})
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, verificationTimeout)
	return &Handlers{cfg: cfg, verifying: ratelimit.New(ratelimit.Config{PerHost: verificationsPerSecond, Burst: verificationBurst, Now: cfg.Now})}
}

// place is where a sealed header belongs.
func place(project *directory.Project, sub string) string { return project.ID.String() + "/" + sub }

// Seal seals the header of a subscription that an import has in clear. It returns was if that
// has the same header already.
func (h *Handlers) Seal(ctx context.Context, project *directory.Project, sub, header string, was *directory.PushAuthorization) (*directory.PushAuthorization, error) {
	if h.cfg.Box == nil {
		return nil, apierror.Conflict("This installation cannot seal authorization headers")
	}
	if was != nil {
		if old, err := h.cfg.Box.Open(ctx, was.Sealed, place(project, sub)); err == nil && string(old) == header {
			return was, nil
		}
	}
	sealed, err := h.seal(ctx, project, sub, header)
	if err != nil {
		return nil, err
	}
	return &directory.PushAuthorization{Sealed: sealed}, nil
}

// Authorization returns the Authorization header of pushes of a subscription; empty: there is
// none. An error means that it cannot be opened now, or by this keyring.
func Authorization(ctx context.Context, b Sealer, project *directory.Project, sub *directory.Subscription) (string, error) {
	if sub.Push == nil || sub.Push.Authorization == nil {
		return "", nil
	}
	header, err := b.Open(ctx, sub.Push.Authorization.Sealed, place(project, sub.Name))
	return string(header), err
}

// PreviousAuthorization returns the value of the header before its rotation; empty: there is
// none. Whoever asks looks at PreviousUntil.
func PreviousAuthorization(ctx context.Context, b Sealer, project *directory.Project, sub *directory.Subscription) (string, error) {
	if sub.Push == nil || sub.Push.Authorization == nil || len(sub.Push.Authorization.Previous) == 0 {
		return "", nil
	}
	header, err := b.Open(ctx, sub.Push.Authorization.Previous, place(project, sub.Name))
	return string(header), err
}
