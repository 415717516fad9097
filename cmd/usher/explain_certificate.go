package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"
	"usher/internal/secretfile"
	tokenx509 "usher/tokens/x509"
)

// verifiedChains verifies a client certificate as nats-server does in the handshake, and
// returns its chains as nats-server passes them on. Without a file there is none.
func verifiedChains(certFile, caFile string) ([][]string, error) {
	switch {
	case certFile == "" && caFile != "":
		return nil, cmdutil.UsageError("name the client certificate with --cert FILE", "--ca needs --cert")
	case certFile == "":
		return nil, nil
	}
	text, err := os.ReadFile(certFile) //nolint:gosec // the path is the operator's
	if err != nil {
		return nil, cmdutil.UsageError("", "--cert cannot be read: %w", secretfile.WithoutPath(err))
	}
	all, err := tokenx509.ParseCertificates(text)
	if err != nil {
		return nil, cmdutil.UsageError("give a PEM file with the client certificate, followed by its intermediate CAs", "--cert: %w", err)
	}
	opts := x509.VerifyOptions{Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range all[1:] {
		opts.Intermediates.AddCert(c)
	}
	if caFile != "" {
		if opts.Roots, err = cmdutil.LoadCertPool(caFile); err != nil {
			return nil, cmdutil.UsageError("give a PEM file", "--ca: %w", secretfile.WithoutPath(err))
		}
	}
	chains, err := all[0].Verify(opts)
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Denied, Err: fmt.Errorf("nats-server refuses this certificate in the TLS handshake: %w", err),
			Hint: refusedHint(err, caFile),
		}
	}
	var verified [][]string
	for _, chain := range chains {
		var texts []string
		for _, c := range chain {
			texts = append(texts, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
		}
		verified = append(verified, texts)
	}
	return verified, nil
}

// refusedHint says what to look at if a certificate has no valid chain.
func refusedHint(err error, caFile string) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case !errors.As(err, &unknown):
		return ""
	case caFile == "":
		return "give the ca_file of nats-server's tls block with --ca FILE"
	default:
		return "--ca has no CA that issued it; --cert needs its intermediate CAs behind it"
	}
}
