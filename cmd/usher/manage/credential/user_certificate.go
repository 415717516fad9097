package credential

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/dn"
	"usher/internal/fault"
)

func certificatesOf() *otherKeys[wire.Certificate, wire.CertificateList, wire.CertificateInput] {
	return &otherKeys[wire.Certificate, wire.CertificateList, wire.CertificateInput]{
		noun:    "certificate",
		columns: []remote.Column[wire.Certificate]{{Name: "subject", Value: func(k *wire.Certificate) string { return k.Subject }}},
		key:     func(k *wire.Certificate) *wire.Key { return &k.Key },
		keys: func(c *client.Client, user string) client.OtherKeys[wire.Certificate, wire.CertificateList, wire.CertificateInput] {
			return c.Certificates(user)
		},
		page: func(all []wire.Certificate) *wire.CertificateList {
			return &wire.CertificateList{Certificates: all, TotalSize: len(all)}
		},
		items: func(l *wire.CertificateList) []wire.Certificate { return l.Certificates },
	}
}

// CertificateCommand returns "usher user certificate".
func CertificateCommand() *cli.Command {
	o := certificatesOf()
	return remote.Subgroup("user", "certificate", "manage the TLS client certificates of a user", append(o.commands(), remote.Command{
		Name: "add", Usage: "add the subject of a certificate to a user", Args: "USER KEY", Flags: append(subjectFlags(), termFlags()...),
		Description: "KEY is the name of the certificate in logs. A client connects as the user if\n" +
			"nats-server has verified its certificate, and that has this subject.",
		Run: func(ctx context.Context, r *remote.Session) error {
			subject, err := subjectOption(r.CLI)
			if err != nil {
				return err
			}
			t, err := terms(r.CLI)
			if err != nil {
				return err
			}
			return o.add(ctx, r, &wire.CertificateInput{Name: r.Arg(1), Subject: subject, KeyTerms: t})
		},
	})...)
}

func bindingsOf() *otherKeys[wire.Binding, wire.BindingList, wire.BindingInput] {
	return &otherKeys[wire.Binding, wire.BindingList, wire.BindingInput]{
		noun: "binding",
		columns: []remote.Column[wire.Binding]{
			{Name: "service type", Value: func(k *wire.Binding) string { return k.ServiceType }},
			{Name: "host", Value: func(k *wire.Binding) string { return k.Host }},
			{Name: "subject", Value: func(k *wire.Binding) string { return k.Subject }},
		},
		key: func(k *wire.Binding) *wire.Key { return &k.Key },
		keys: func(c *client.Client, user string) client.OtherKeys[wire.Binding, wire.BindingList, wire.BindingInput] {
			return c.Bindings(user)
		},
		page: func(all []wire.Binding) *wire.BindingList {
			return &wire.BindingList{Bindings: all, TotalSize: len(all)}
		},
		items: func(l *wire.BindingList) []wire.Binding { return l.Bindings },
	}
}

// BindingCommand returns "usher user binding".
func BindingCommand() *cli.Command {
	o := bindingsOf()
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "service-type", Usage: "`TYPE` of service, as the client names it"},
		&cli.StringFlag{Name: "host", Usage: "`HOST` of the service, as the client names it"},
	}, subjectFlags()...)
	return remote.Subgroup("user", "binding", "manage the certificates that get a short-lived key of a user", append(o.commands(), remote.Command{
		Name: "add", Usage: "let a certificate get short-lived keys of a user", Args: "USER KEY",
		Flags: append(flags, termFlags()...), RequiredFlags: []string{"service-type", "host"},
		Description: "KEY is the name of the binding in logs. A client with this certificate gets a key over\n" +
			"GET /v1/service-types/TYPE/hosts/HOST:authx509, as argo-ams-library does.",
		Run: func(ctx context.Context, r *remote.Session) error {
			subject, err := subjectOption(r.CLI)
			if err != nil {
				return err
			}
			t, err := terms(r.CLI)
			if err != nil {
				return err
			}
			return o.add(ctx, r, &wire.BindingInput{
				Name: r.Arg(1), Subject: subject, ServiceType: r.CLI.String("service-type"), Host: r.CLI.String("host"), KeyTerms: t,
			})
		},
	})...)
}

func subjectFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cert", Usage: "`FILE` with the certificate, whose subject is taken"},
		&cli.StringFlag{Name: "subject", Usage: "`DN` of the certificate in the form of AMS, such as CN=worker-1,O=shop,C=GR"},
	}
}

// maxCertificate is far more than a certificate has.
const maxCertificate = 1 << 20

// subjectOption reads subjectFlags.
func subjectOption(c *cli.Context) (string, error) {
	path, subject := c.String("cert"), c.String("subject")
	if (path == "") == (subject == "") {
		return "", cmdutil.UsageError("name the certificate with --cert FILE, or write its subject with --subject DN", "give one of --cert and --subject")
	}
	if path == "" {
		if err := dn.Check(subject); err != nil {
			return "", cmdutil.UsageError("--cert FILE takes the subject from a certificate", "--subject: %w", err)
		}
		return subject, nil
	}
	subject, err := subjectOf(path)
	if err != nil {
		return "", fault.InConfig(fmt.Errorf("--cert: %w", err))
	}
	return subject, nil
}

// subjectOf returns the subject of the first certificate in a PEM file.
func subjectOf(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the user's
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate))
	if err != nil {
		return "", err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		subject := dn.Of(&cert.Subject)
		if subject == "" {
			return "", fmt.Errorf("%s: the certificate has no subject", path)
		}
		return subject, nil
	}
	return "", fmt.Errorf("%s holds no certificate in PEM form", path)
}
