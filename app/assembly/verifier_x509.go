package assembly

import (
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"time"

	"usher/app/config"
	"usher/internal/ownedfile"
	"usher/tokens"
	tokenx509 "usher/tokens/x509"
	"usher/tokens/x509/revocation"
)

func x509Verifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	cfg := &in.cfg.Credentials.X509
	if cfg.Identity == config.Off {
		return nil, nil
	}
	out := tokenx509.Config{
		Name: cfg.Name, Identity: tokenx509.By(cfg.Identity), Several: cfg.SeveralNames, TrustDomains: cfg.TrustDomains,
		WithToken: tokenx509.WithToken(cfg.WithToken), AgreeOn: cfg.AgreeOn,
		Snapshot: in.snapshot, Now: in.now,
	}
	var err error
	if cfg.CAFile != "" {
		if out.CAs, err = ReadCAs(cfg.CAFile); err != nil {
			return nil, fmt.Errorf("x509.ca_file: %w", err)
		}
	}
	if out.Revocation, err = newRevocation(&cfg.Revocation, in.log, in.now); err != nil {
		return nil, fmt.Errorf("x509.revocation: %w", err)
	}
	v, err := tokenx509.NewVerifier(out)
	if err != nil {
		return nil, fmt.Errorf("x509: %w", err)
	}
	return []tokens.Verifier{v}, nil
}

// ReadCAs reads a file of CA certificates that only trusted users can write.
func ReadCAs(path string) ([]*x509.Certificate, error) {
	if err := ownedfile.Check(path, ownedfile.Rule{}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, err
	}
	return tokenx509.ParseCertificates(text)
}

// newRevocation returns a checker, or nil if the configuration does not want one.
func newRevocation(cfg *config.Revocation, log *slog.Logger, now func() time.Time) (*revocation.Checker, error) {
	if cfg.Check == config.Off {
		return nil, nil //nolint:nilnil // a nil Checker accepts every chain
	}
	return revocation.New(revocation.Config{
		Mode: revocation.Mode(cfg.Check), Unreachable: revocation.Unreachable(cfg.Unreachable),
		CRLFiles: cfg.CRLFiles, Responder: cfg.OCSPResponder, Hosts: cfg.Hosts,
		Timeout: cfg.Timeout, Refresh: cfg.Refresh, MaxCRL: int64(cfg.MaxCRLBytes),
		Now: now, Log: log,
	})
}
