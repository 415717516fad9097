package automatetest

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"usher/tokens/automate/automatepb"
)

type authnServer struct {
	automatepb.UnimplementedAuthenticationServiceServer

	a *Automate
}

// Authenticate implements automatepb.AuthenticationServiceServer.
func (s *authnServer) Authenticate(ctx context.Context, _ *automatepb.AuthenticateRequest) (*automatepb.AuthenticateResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	given := md.Get("api-token")
	if len(given) != 1 {
		return nil, status.Errorf(codes.Unauthenticated, "%d tokens", len(given))
	}
	s.a.mu.Lock()
	s.a.asked = append(s.a.asked, given[0])
	r, known := s.a.replies[given[0]]
	s.a.mu.Unlock()
	switch {
	case !pause(ctx, r.AuthnDelay):
		return nil, ctx.Err()
	case r.AuthnError != nil:
		return nil, r.AuthnError
	case !known:
		return nil, status.Errorf(codes.Unauthenticated, "no token %s", given[0]) // so that tests see that nobody shows it
	}
	return &automatepb.AuthenticateResponse{Subject: r.Subject, Teams: r.Teams, Requestor: r.Requestor}, nil
}

type authzServer struct {
	automatepb.UnimplementedAuthorizationServiceServer

	a *Automate
}

// ProjectsAuthorized implements automatepb.AuthorizationServiceServer.
func (s *authzServer) ProjectsAuthorized(ctx context.Context, req *automatepb.ProjectsAuthorizedReq) (*automatepb.ProjectsAuthorizedResp, error) {
	r := s.a.replyTo(req.GetSubjects())
	switch {
	case !pause(ctx, r.AuthzDelay):
		return nil, ctx.Err()
	case r.AuthzError != nil:
		return nil, r.AuthzError
	case req.GetResource() != Resource || req.GetAction() != Action || len(req.GetProjectsFilter()) > 0:
		return nil, status.Error(codes.InvalidArgument, "another resource, action or filter")
	}
	return &automatepb.ProjectsAuthorizedResp{Projects: r.Projects}, nil
}

// replyTo returns the reply with exactly these subjects: the teams, and the subject.
func (a *Automate) replyTo(subjects []string) Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.replies {
		if slices.Equal(subjects, append(slices.Clone(r.Teams), r.Subject)) {
			return r
		}
	}
	return Reply{}
}

// pause waits. It reports whether the call is still on.
func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
