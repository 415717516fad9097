package server

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"

	apisessions "usher/api/sessions"
	"usher/app/assembly"
	"usher/app/sessions"
	"usher/app/sessions/logout"
	"usher/callout/session"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/tokens/oidc"
)

// logOut returns what acts on the logout tokens of identity providers; nil: none may send any.
func (srv *Server) logOut() (apisessions.LogOut, error) {
	lifetimes := map[identity.Authority]time.Duration{}
	for i := range srv.cfg.Credentials.OIDC {
		if c := &srv.cfg.Credentials.OIDC[i]; c.BackchannelLogout {
			lifetimes[identity.Authority(c.Name)] = c.LogoutLifetime + c.Leeway
		}
	}
	if len(lifetimes) == 0 {
		return nil, nil
	}
	var verifier *oidc.Verifier
	for _, v := range srv.Parts.Decider.Chain {
		if v, ok := v.(*oidc.Verifier); ok {
			verifier = v
		}
	}
	if verifier == nil {
		return nil, errors.New("no verifier has the authorities with backchannel_logout")
	}
	r, err := logout.New(logout.Config{
		Verify: verifier.VerifyLogout, Change: srv.changeBans, Lifetimes: lifetimes, Now: srv.Parts.Now,
		Sessions: func(a identity.Authority, id string) iter.Seq[*session.Session] {
			return srv.sessions.registry.Matching(&sessions.Filter{Authority: a, IdentityID: id})
		},
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token string) (apisessions.Logout, error) {
		done, err := r.LogOut(ctx, token)
		var targets []string
		for i := range done.Targets {
			targets = append(targets, done.Targets[i].String())
		}
		return apisessions.Logout{
			Authority: string(done.Authority), Target: strings.Join(targets, ", "), Revision: done.Revision, Repeated: done.Repeated,
		}, err
	}, nil
}

// changeBans changes bans. Those that are not in a bucket hold in this process alone.
func (srv *Server) changeBans(ctx context.Context, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	switch store := srv.Parts.Store.(type) {
	case *assembly.Bucket:
		return store.Change(ctx, f)
	case assembly.File:
		next, err := store.HoldBans(ctx, f)
		if err == nil {
			srv.sessions.everythingChanged()
		}
		return next, err
	default:
		return nil, errors.ErrUnsupported
	}
}
