package config_test

import (
	"slices"
	"strings"
	"testing"

	"usher/app/config"
)

// TestCertificateFiles: they are found in sections, in lists, and in what elements share.
func TestCertificateFiles(t *testing.T) {
	t.Parallel()
	c := &config.Config{
		NATS: config.NATS{TLS: config.TLS{CAFile: "ca", CertFile: "cert", KeyFile: "key"}},
		Credentials: config.Credentials{
			OIDC: []config.OIDC{{}, {Keys: config.IssuerKeys{CAFile: "provider"}}},
		},
	}
	c.API.X509.ClientCAFile = "clients"
	want := []config.CertificateFile{
		{Key: "api.x509.client_ca_file", Path: "clients", Authority: true},
		{Key: "credentials.oidc[1].keys.ca_file", Path: "provider", Authority: true},
		{Key: "nats.tls.ca_file", Path: "ca", Authority: true},
		{Key: "nats.tls.cert_file", Path: "cert"},
	}
	if got := c.CertificateFiles(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	for _, k := range config.Keys() { // no key of another name is missed
		name := k.Path[strings.LastIndex(k.Path, ".")+1:]
		if strings.HasSuffix(name, "_file") && strings.Contains(k.Doc, "certificate") && !strings.HasSuffix(name, "ca_file") && name != "cert_file" && name != "key_file" {
			t.Errorf("is %s a file of certificates? %s", k.Path, k.Doc)
		}
	}
}
