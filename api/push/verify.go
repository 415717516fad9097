package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/ratelimit"
	"usher/directory"
	"usher/internal/outbound"
)

const (
	verificationPath    = "/ams_verification_hash"
	verificationTimeout = 5 * time.Second
	maxAnswer           = 4 << 10 // bytes
)

// verify asks the endpoint for the hash, and stores that it has shown it if hash and endpoint
// are still the same then.
func (h *Handlers) verify(r *rest.Request) (*rest.Response, error) {
	project := r.Var(rest.VarProject)
	sub, ok := r.Snapshot.Subscription(project, r.Var(rest.VarSubscription))
	if !ok {
		return nil, apierror.NotFound(apierror.Subscription)
	}
	if err := verifiable(sub.Push); err != nil {
		return nil, err
	}
	if err := h.limit(r, project); err != nil {
		return nil, err
	}
	asked := *sub.Push
	if err := h.ask(r.Context(), &asked); err != nil {
		return nil, err
	}
	_, response, err := h.commit(r, func(_ *directory.Project, sub *directory.Subscription) (*directory.Push, error) {
		if err := verifiable(sub.Push); err != nil {
			return nil, err
		}
		if sub.Push.Endpoint != asked.Endpoint || sub.Push.VerificationHash != asked.VerificationHash {
			return nil, apierror.Conflict("Push endpoint has changed during its verification")
		}
		changed := *sub.Push
		changed.Verified = true
		return &changed, nil
	})
	if err != nil {
		return nil, err
	}
	return &rest.Response{ETag: response.ETag}, nil // AMS returns an empty body
}

// verifiable checks that an endpoint waits for its verification.
func verifiable(p *directory.Push) error {
	switch {
	case p == nil || cmp.Or(p.Type, directory.PushHTTP) != directory.PushHTTP:
		return notHTTP()
	case p.Deliverable():
		return apierror.Conflict("Push endpoint is already verified")
	case p.VerificationHash == "":
		return apierror.Conflict("Push endpoint has no verification hash").
			WithDetails("the configuration was made by an older release or imported; :modifyPushConfig with the same endpoint gives it one")
	default:
		return nil
	}
}

// limit counts a verification of a project.
func (h *Handlers) limit(r *rest.Request, project string) error {
	p, _ := r.Snapshot.Project(project)
	attempt := h.verifying.Attempt(ratelimit.HostSource(p.ID.String()), "")
	if h.verifying.HostExhausted(attempt) {
		return apierror.TooManyRequests("Too many verifications in this project", time.Duration(float64(time.Second)/verificationsPerSecond))
	}
	h.verifying.Record(attempt)
	return nil
}

// ask asks an endpoint for its hash. Errors are of package apierror.
func (h *Handlers) ask(ctx context.Context, p *directory.Push) error {
	u, err := h.cfg.Client.Check(p.Endpoint)
	if err != nil {
		return notAsked(err)
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
	defer cancel()
	address := url.URL{Scheme: u.Scheme, Host: u.Host, Path: verificationPath}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return failed(wire.VerificationRefused, outbound.ErrURL)
	}
	response, err := h.cfg.Client.Do(req)
	if err != nil {
		return notAsked(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return failed(wire.VerificationWrongStatus, nil).WithDetails(fmt.Sprintf("the endpoint answered with status %d", response.StatusCode))
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case errors.Is(err, outbound.ErrBody), err == nil && string(answer) != p.VerificationHash:
		return failed(wire.VerificationWrongHash, nil)
	case err != nil:
		return notAsked(err)
	}
	return nil
}

// notAsked is the error of an endpoint that the rules refuse, or that does not answer.
func notAsked(err error) error {
	var refused *outbound.Error
	if errors.As(err, &refused) && refused.Refused() {
		return failed(wire.VerificationRefused, err)
	}
	return failed(wire.VerificationAsking, err)
}

// failed is the error of AMS; cause is of package outbound, whose errors may be shown.
func failed(reason string, cause error) *apierror.Error {
	e := apierror.VerificationFailed(wire.VerificationFailed + reason)
	if cause != nil {
		e = e.WithDetails(cause.Error())
	}
	return e
}
