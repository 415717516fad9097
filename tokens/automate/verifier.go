package automate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"usher/identity"
	"usher/internal/secret"
	"usher/tokens"
	"usher/tokens/automate/automatepb"
	"usher/tokens/backend"
	"usher/tokens/form"
)

// Config describes a Verifier.
type Config struct {
	Authority    identity.Authority // the name of the Automate in the configuration
	Authn, Authz Service

	Resource, Action string // what somebody must be allowed in a project

	Prefix string // tokens that begin otherwise are not sent
	JWT    bool   // tokens in the form of a JWT are sent too

	Backend backend.Config // Name and Now are set by NewVerifier
	Now     func() time.Time
	NewID   func() string // of a token that nobody has; no two are the same
}

// Verifier asks the services of one Automate. It is safe for concurrent use.
type Verifier struct {
	cfg          Config
	name         string
	authn, authz *service
	backend      *backend.Backend
}

var (
	_ tokens.Slow       = (*Verifier)(nil)
	_ tokens.Prober     = (*Verifier)(nil)
	_ tokens.Forgetter  = (*Verifier)(nil)
	_ tokens.Background = (*Verifier)(nil)
)

// NewVerifier returns a Verifier. Backend.Timeout must be set.
func NewVerifier(cfg Config) *Verifier { //nolint:gocritic // a description, used once
	v := &Verifier{cfg: cfg, name: "automate:" + string(cfg.Authority)}
	v.authn, v.authz = newService(cfg.Authn, &cfg, v.name+"/authn"), newService(cfg.Authz, &cfg, v.name+"/authz")
	v.authn.aboutTokens = true
	v.cfg.Backend.Name, v.cfg.Backend.Now = v.name, cfg.Now
	v.backend = backend.New(v.cfg.Backend)
	return v
}

// Name returns "automate:" and the name of the Automate.
func (v *Verifier) Name() string { return v.name }

// Run implements tokens.Background: it keeps the services connected, so that no client
// waits for a handshake.
func (v *Verifier) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { v.authn.keep(ctx) })
	both.Go(func() { v.authz.keep(ctx) })
	both.Wait()
}

// Status implements tokens.Observable. It tells the services apart.
func (v *Verifier) Status() tokens.Status {
	s := v.backend.Status()
	whole := s.Backends[0]
	s.Backends = []tokens.BackendStatus{v.authn.status(&whole), v.authz.status(&whole)}
	return s
}

// Forget implements tokens.Forgetter.
func (v *Verifier) Forget(match func(*identity.Identity) bool) { v.backend.Forget(match) }

// errKnowsAll is what is wrong with an authn-service that knows a token nobody has.
var errKnowsAll = errors.New("it accepts a token that nobody has")

// Probe implements tokens.Prober: it asks authn-service about a token that nobody has, and
// authz-service about a subject that nobody is.
func (v *Verifier) Probe(ctx context.Context) {
	defer v.authn.close()
	defer v.authz.close()
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Backend.Timeout)
	defer cancel()
	made := v.cfg.Prefix + v.cfg.NewID()
	hide := secret.NewFilter(made)
	var both sync.WaitGroup
	both.Go(func() { // Status has the errors
		if _, err := v.authenticate(ctx, made, hide); err == nil {
			v.authn.health.count(backend.Coded(CodeNotReady, errKnowsAll))
		}
	})
	both.Go(func() {
		_, _ = v.authorize(ctx, []string{"usher:check"}, hide)
	})
	both.Wait()
}

// Slow implements tokens.Slow.
func (v *Verifier) Slow(c *tokens.Credential) bool {
	token, err := v.present(c)
	return err == nil && !v.backend.Cached(v.key(token))
}

// Verify implements tokens.Verifier.
func (v *Verifier) Verify(ctx context.Context, c *tokens.Credential) (identity.Identity, error) {
	token, err := v.present(c)
	if err != nil {
		return identity.Identity{}, err
	}
	selection, err := c.Selection()
	if err != nil {
		return identity.Identity{}, tokens.Reject(tokens.CodeSelection, err.Error(), identity.Identity{})
	}
	a, err := v.backend.Ask(ctx, v.key(token), func(ctx context.Context) (backend.Answer, error) { return v.ask(ctx, token, c.Filter()) })
	switch {
	case err != nil:
		return identity.Identity{}, err
	case a.Refusal != nil && a.Refusal.Code == CodeRejected && v.cfg.Prefix == "":
		return identity.Identity{}, tokens.Unknown(a.Refusal.Code, a.Refusal.Cause)
	case a.Refusal != nil:
		return identity.Identity{}, a.Refusal
	}
	id := a.Identity
	id.Selection = selection
	return id, nil
}

func (v *Verifier) key(token string) [32]byte { return backend.Key(v.name, token) }

// present returns the token that is sent. The error is tokens.ErrNotApplicable if there is
// none.
func (v *Verifier) present(c *tokens.Credential) (string, error) {
	token := c.TokenToShow()
	switch {
	case token == "" || form.Own(token) || !v.cfg.JWT && form.IsJWT(token) || !strings.HasPrefix(token, v.cfg.Prefix):
		return "", tokens.ErrNotApplicable
	case len(token) > maxToken || strings.ContainsFunc(token, notMetadata):
		return "", tokens.Unknown(CodeForm, "the token cannot be sent: it is too long, or has characters other than printable ASCII")
	}
	return token, nil
}

// notMetadata reports whether a character cannot be in metadata of gRPC, or not at every
// place: spaces at the ends of a value are dropped.
func notMetadata(r rune) bool { return r <= ' ' || r > '~' }

// ask asks both services about a token.
func (v *Verifier) ask(ctx context.Context, token string, hide secret.Filter) (backend.Answer, error) {
	who, err := v.authenticate(ctx, token, hide)
	if errors.Is(err, errUnauthenticated) {
		return backend.Answer{Refusal: &tokens.Reason{Code: CodeRejected, Cause: "authn-service does not know the token"}}, nil
	}
	if err != nil {
		return backend.Answer{}, err
	}
	projects, err := v.authorize(ctx, append(slices.Clone(who.GetTeams()), who.GetSubject()), hide)
	if err != nil {
		return backend.Answer{}, err
	}
	return answer(v.cfg.Authority, who, projects), nil
}

// authenticate asks authn-service whose a token is.
func (v *Verifier) authenticate(ctx context.Context, token string, hide secret.Filter) (who *automatepb.AuthenticateResponse, err error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "api-token", token)
	err = v.authn.call(ctx, hide, func(ctx context.Context, cc *grpc.ClientConn, opts ...grpc.CallOption) (err error) {
		if who, err = automatepb.NewAuthenticationServiceClient(cc).Authenticate(ctx, &automatepb.AuthenticateRequest{}, opts...); err != nil {
			return err
		}
		if quotes(who, token) {
			return errQuoted
		}
		return checkWho(who)
	})
	return who, err
}

// authorize asks authz-service for the projects in which one of the subjects is allowed
// the action.
func (v *Verifier) authorize(ctx context.Context, subjects []string, hide secret.Filter) (projects []string, err error) {
	r := &automatepb.ProjectsAuthorizedReq{Subjects: subjects, Resource: v.cfg.Resource, Action: v.cfg.Action}
	err = v.authz.call(ctx, hide, func(ctx context.Context, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
		resp, err := automatepb.NewAuthorizationServiceClient(cc).ProjectsAuthorized(ctx, r, opts...)
		if err != nil {
			return err
		}
		if projects = resp.GetProjects(); !areNames(projects) {
			return errProjects
		}
		return nil
	})
	return projects, err
}
