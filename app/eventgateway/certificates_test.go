package eventgateway_test

import (
	"os"
	"testing"

	"usher/app/apptest/gatewaytest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// authority returns the CA of the installation.
func authority(t *testing.T, g *gatewaytest.Gateway) *pki.Authority {
	t.Helper()
	cert, err := os.ReadFile(g.Path(setup.FileCA))
	callouttest.Must(t, err)
	key, err := os.ReadFile(g.Path(setup.FileCAKey))
	callouttest.Must(t, err)
	ca, err := pki.ParseAuthority(pki.Pair{Cert: cert, Key: key})
	callouttest.Must(t, err)
	return ca
}

// load reads a certificate and its key of the installation.
func load(t *testing.T, g *gatewaytest.Gateway, name string) pki.Pair {
	t.Helper()
	cert, err := os.ReadFile(g.Path(setup.CertFile(name)))
	callouttest.Must(t, err)
	key, err := os.ReadFile(g.Path(setup.KeyFile(name)))
	callouttest.Must(t, err)
	return pki.Pair{Cert: cert, Key: key}
}
