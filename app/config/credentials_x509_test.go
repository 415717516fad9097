package config_test

import (
	"strings"
	"testing"

	"usher/app/config"
)

func TestX509(t *testing.T) {
	for text, says := range map[string]string{
		"{identity: subject, with_token: alone}":                                                 "",
		"{identity: spiffe, trust_domains: [example.org]}":                                       "",
		"{identity: dns, several_names: true, with_token: agree, agree_on: claims.azp}":          "",
		"{identity: dns, revocation: {check: ocsp, hosts: [a.example]}}":                         "",
		"{identity: dns, revocation: {check: crl_or_ocsp, crl_files: [a], ocsp_responder: 'x'}}": "",

		"{identity: spiffe}":                                             "needs credentials.x509.trust_domains",
		"{identity: dns, trust_domains: [example.org]}":                  "credentials.x509.trust_domains: is set",
		"{identity: subject, several_names: true}":                       "credentials.x509.several_names: is set",
		"{identity: dns, agree_on: claims.azp}":                          "credentials.x509.agree_on: is set",
		"{ca_file: ca.pem}":                                              "credentials.x509.ca_file: is set",
		"{identity: dns, revocation: {hosts: [a]}}":                      "credentials.x509.revocation.hosts: is set",
		"{identity: dns, revocation: {check: ocsp, crl_files: [a]}}":     "credentials.x509.revocation.crl_files: is set",
		"{identity: dns, revocation: {check: crl, ocsp_responder: 'x'}}": "credentials.x509.revocation.ocsp_responder: is set",
	} {
		_, err := config.Parse("usher.yaml", []byte(required+"credentials: {x509: "+text+"}"))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
