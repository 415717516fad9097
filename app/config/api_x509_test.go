package config_test

import (
	"strings"
	"testing"

	"usher/app/config"
)

func TestAPIX509(t *testing.T) {
	const files = "tls: {cert_file: a, key_file: b}, client_ca_file: c"
	const bucket = "directory: {from: embedded, store_dir: store}\n"
	for _, tt := range []struct{ directory, text, says string }{
		{bucket, "{}", ""},
		{bucket, "{listen: '0.0.0.0:8443', " + files + "}", ""},
		{bucket, "{listen: '0.0.0.0:8443', " + files + ", key_lifetime: 10m, max_keys: 100, revocation: {check: crl, crl_files: [l]}}", ""},
		{"", "{listen: '127.0.0.1:8443', " + files + "}", "usher cannot write keys into a file"},
		{bucket, "{listen: '127.0.0.1:8443', client_ca_file: c}", "needs api.x509.tls.cert_file"},
		{bucket, "{listen: '127.0.0.1:8443', tls: {cert_file: a, key_file: b}}", "needs api.x509.client_ca_file"},
		{bucket, "{listen: '127.0.0.1:8443', tls: {cert_file: a}, client_ca_file: c}", "needs api.x509.tls.key_file"},
		{bucket, "{" + files + "}", "needs api.x509.listen"},
		{bucket, "{key_lifetime: 10s}", "api.x509.key_lifetime"},
		{bucket, "{key_lifetime: 48h}", "api.x509.key_lifetime"},
		{bucket, "{max_keys: 0}", "api.x509.max_keys"},
		{bucket, "{revocation: {hosts: [a]}}", "api.x509.revocation.hosts: is set"},
	} {
		base := required
		if tt.directory != "" {
			base = live + tt.directory
		}
		_, err := config.Parse("usher.yaml", []byte(base+"api: {x509: "+tt.text+"}"))
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s%s: %v", tt.directory, tt.text, err)
		}
	}
}
