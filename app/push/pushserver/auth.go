package pushserver

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// access lets in those whose certificate has an allowed common name.
type access struct {
	names []string
	now   func() time.Time
	log   *slog.Logger
}

// errUnauthenticated is the answer of AMS's push server.
var errUnauthenticated = status.Error(codes.Unauthenticated, "UNAUTHORISED")

// check returns errUnauthenticated, or nil for somebody who may call.
func (a *access) check(ctx context.Context) error {
	cert := certificate(ctx)
	if cert == nil {
		return a.refuse(ctx, "there is no certificate")
	}
	switch now, names := a.now(), commonNames(cert); {
	case now.After(cert.NotAfter): // since the handshake
		return a.refuse(ctx, "the certificate has expired")
	case len(names) != 1:
		return a.refuse(ctx, "the certificate does not have exactly one common name")
	case !slices.Contains(a.names, names[0]):
		return a.refuse(ctx, "the common name of the certificate is not in push.grpc.common_names")
	}
	return nil
}

func (a *access) refuse(ctx context.Context, reason string) error {
	a.log.LogAttrs(ctx, slog.LevelWarn, "call of the push service refused", slog.String("reason", reason))
	return errUnauthenticated
}

// certificate returns the client's own certificate, which TLS has verified; nil: none.
func certificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.PeerCertificates) == 0 {
		return nil
	}
	return info.State.PeerCertificates[0]
}

// commonNames returns every common name of the subject. crypto/x509 has but the last one in
// Subject.CommonName.
func commonNames(cert *x509.Certificate) []string {
	commonName := asn1.ObjectIdentifier{2, 5, 4, 3}
	var out []string
	for _, n := range cert.Subject.Names {
		if n.Type.Equal(commonName) {
			text, _ := n.Value.(string) // not a string: no name, which is counted and allowed nowhere
			out = append(out, text)
		}
	}
	return out
}

func (a *access) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := a.check(ctx); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (a *access) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := a.check(ss.Context()); err != nil {
		return err
	}
	return handler(srv, ss)
}
