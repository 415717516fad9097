package sessions

import (
	"context"
	"errors"
	"net/http"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/tokens"
)

// maxLogoutBody is the largest body with a logout token: no token is larger than 64 KiB.
const maxLogoutBody = 72 << 10

const fieldLogoutToken = "logout_token"

// LogOut ends what an authority has issued to somebody who has logged out there. An error is
// tokens.ErrRejected if the token is bad; after any other one the same token may be sent again.
type LogOut func(ctx context.Context, token string) (Logout, error)

// Logout is what LogOut has done.
type Logout struct {
	Authority string
	Target    string // who has logged out, in words
	Revision  uint64 // of the directory that refuses the tokens; 0: none
	Repeated  bool   // it was known, and nothing has changed
}

// logOut receives a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.5). Nobody
// but the authority can have signed it, so it is its own proof.
func (h *Handlers) logOut(r *rest.Request) (*rest.Response, error) {
	form, err := r.ReadForm()
	if err != nil {
		return nil, r.CountFailure(apierror.From(err))
	}
	if h.cfg.LogOut == nil {
		return nil, r.CountFailure(apierror.LogoutRefused(errNoLogout))
	}
	done, err := h.cfg.LogOut(r.Context(), form.Get(fieldLogoutToken))
	if done.Authority != "" && !done.Repeated { // else nobody is known, or nothing changes
		r.Change.Actor, r.Change.Reason, r.Change.Revision = done.Authority, done.Target, done.Revision
	}
	switch {
	case err == nil:
		return &rest.Response{}, nil
	case errors.Is(err, tokens.ErrRejected):
		return nil, r.CountFailure(apierror.LogoutRefused(err))
	case done.Authority != "": // it is the directory that cannot be changed now
		return nil, apierror.Unavailable(err)
	default:
		return nil, r.CountFailure(apierror.LogoutUnavailable(err))
	}
}

var errNoLogout = errors.New("no authority has backchannel_logout")

func (h *Handlers) logoutRoute() rest.Route {
	return rest.Route{
		Name: "session.logout", Method: http.MethodPost, Path: "/v1/logout", Access: rest.Access{Open: true}, Handler: h.logOut,
		Doc:      "Takes a logout token of an identity provider (OpenID Connect Back-Channel Logout): closes the sessions of who has logged out, and refuses tokens from before. Errors have the form of OAuth 2.0: 400 for a token that is not good, 503 if that cannot be decided now.",
		BodyType: rest.TypeForm, Form: []rest.Parameter{{Name: fieldLogoutToken, Doc: "The logout token, a signed JWT."}}, MaxBody: maxLogoutBody,
		KeepsDirectory: true, OAuthErrors: true, BeyondAMS: true,
	}
}
