package automate

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"usher/internal/secret"
	"usher/tokens/backend"
)

// errUnauthenticated: authn-service itself says that nobody has the token.
var errUnauthenticated = errors.New("status Unauthenticated")

// call calls a method of the service with f. An error is errUnauthenticated, or says why
// nothing was decided.
func (s *service) call(ctx context.Context, hide secret.Filter, f func(context.Context, *grpc.ClientConn, ...grpc.CallOption) error) error {
	cc, err := s.conn()
	if err != nil {
		return backend.Coded(CodeFailed, fmt.Errorf("%s: %s", s.Name, hide.Text(err.Error(), maxStatus)))
	}
	w := s.watch()
	var header, trailer metadata.MD
	err = f(ctx, cc, grpc.Header(&header), grpc.Trailer(&trailer))
	if s.aboutTokens && status.Code(err) == codes.Unauthenticated && (isGRPC(header) || isGRPC(trailer)) {
		s.health.count(nil)
		return errUnauthenticated
	}
	err = s.explain(err, w, hide)
	s.health.count(err)
	return err
}

// isGRPC reports whether metadata is of an answer of gRPC. For one of HTTP alone, such as
// that of a proxy with status 401, the client makes up a status of gRPC.
func isGRPC(md metadata.MD) bool { return len(md.Get("content-type")) > 0 }

// explain turns the error of a call into one that says what it means, and which counts as
// a failure of the service only if it cannot be due to one token.
func (s *service) explain(err error, w watch, hide secret.Filter) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok { // f does not accept the answer
		return backend.Coded(CodeUnusable, backend.Unusable(fmt.Errorf("%s: %w", s.Name, err)))
	}
	said := fmt.Errorf("%s: status %s: %s", s.Name, st.Code(), hide.Text(st.Message(), maxStatus))
	if st.Code() == codes.Unavailable && s.link.Load().refused() {
		said = fmt.Errorf("%w (the service closed the connection after the handshake: does it accept usher's certificate?)", said)
	}
	switch st.Code() { //nolint:exhaustive // every other status is a failure
	case codes.Unavailable:
		err = backend.Coded(CodeUnreachable, backend.Retriable(said))
		if w.broken() {
			// gRPC itself waits before it connects again. The circuit breaker would still be
			// open when the service is back.
			return backend.Unusable(err)
		}
		return err
	case codes.DeadlineExceeded:
		if w.silent(s.now(), s.timeout/2) {
			_ = w.Close() // gRPC connects again
		}
		return backend.Coded(CodeSlow, fmt.Errorf("%s: no answer within %v", s.Name, s.timeout))
	case codes.FailedPrecondition:
		return backend.Coded(CodeNotReady, backend.Unusable(said))
	default:
		return backend.Coded(CodeFailed, backend.Unusable(said))
	}
}
