package gateway

import (
	"errors"

	"usher/app/config"
)

// ErrNoCertificate: clients of the gateway's servers need a certificate, and none is known.
var ErrNoCertificate = errors.New("gateways[].clients.verify is true, and cert_file names no certificate to connect with")

// ClientTLS returns the TLS of a client of the servers of a gateway whose section has
// clients, as the gateway's port for clients needs it; own is that of the other servers.
func ClientTLS(g *config.Gateway, own *config.TLS) (*config.TLS, error) {
	out := &config.TLS{CAFile: g.Clients.CAFile, ServerName: g.Clients.Names[0], HandshakeFirst: own.HandshakeFirst}
	if !g.Clients.Verify {
		out.CertFile, out.KeyFile = own.CertFile, own.KeyFile
		return out, nil
	}
	if g.CertFile == "" {
		return nil, ErrNoCertificate
	}
	out.CertFile, out.KeyFile = g.CertFile, g.KeyFile // whatever it accepts of a gateway
	return out, nil
}
