package devserver

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/nats-io/nats-server/v2/conf"
	"github.com/nats-io/nats-server/v2/server"
)

// TLS is a tls block with the certificates and CAs of its files.
type TLS struct {
	Chains     [][]*x509.Certificate
	CAs        *x509.CertPool // nil: none are given
	Verify     bool           // others need a certificate of the CAs
	Insecure   bool           // outgoing connections accept any certificate
	MinVersion uint16         // 0: the default of nats-server, TLS 1.2
}

// Gateway is a gateway block.
type Gateway struct {
	Name          string
	Listen        string // HOST:PORT
	TLS           *TLS   // nil: none
	KnownURLs     bool   // verify_cert_and_check_known_urls
	Pinned        int    // number of pinned_certs
	RejectUnknown bool
	Remotes       []RemoteGateway
}

// RemoteGateway is an entry of gateway.gateways.
type RemoteGateway struct {
	Name string
	URLs []*url.URL
	TLS  *TLS // that of the gateway, unless it has its own; nil: none
}

// readGateway returns the gateway block; nil: there is none.
func readGateway(opts *server.Options) *Gateway {
	o := &opts.Gateway
	if o.Name == "" {
		return nil
	}
	g := &Gateway{
		Name: o.Name, Listen: net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), TLS: readTLS(o.TLSConfig),
		KnownURLs: o.TLSCheckKnownURLs, Pinned: len(o.TLSPinnedCerts), RejectUnknown: o.RejectUnknown,
	}
	for _, r := range o.Gateways {
		own := readTLS(r.TLSConfig)
		if own == nil {
			own = g.TLS
		}
		g.Remotes = append(g.Remotes, RemoteGateway{Name: r.Name, URLs: r.URLs, TLS: own})
	}
	return g
}

func readTLS(c *tls.Config) *TLS {
	if c == nil {
		return nil
	}
	t := &TLS{CAs: c.ClientCAs, Verify: c.ClientAuth == tls.RequireAndVerifyClientCert, Insecure: c.InsecureSkipVerify, MinVersion: c.MinVersion}
	for _, pair := range c.Certificates {
		var chain []*x509.Certificate
		for _, der := range pair.Certificate {
			if x, err := x509.ParseCertificate(der); err == nil { // nats-server has parsed the first
				chain = append(chain, x)
			}
		}
		t.Chains = append(t.Chains, chain)
	}
	return t
}

// monitoring returns the address of HTTP monitoring; empty: it is off.
func monitoring(opts *server.Options) string {
	port := opts.HTTPPort
	if port == 0 {
		port = opts.HTTPSPort
	}
	if port == 0 {
		return ""
	}
	host := opts.HTTPHost
	if host == "" {
		host = opts.Host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// allows returns the subjects of a permission; nil: every subject.
func allows(p *server.SubjectPermission) []string {
	if p == nil {
		return nil
	}
	if p.Allow == nil && p.Deny == nil {
		return nil
	}
	return append([]string{}, p.Allow...)
}

// readShares returns the exports and imports of each account, as sorted JSON texts.
func readShares(path string) map[string][]string {
	all := map[string][]string{}
	parsed, err := conf.ParseFile(path)
	if err != nil {
		return all // ProcessConfigFile reports it
	}
	accounts, ok := parsed["accounts"].(map[string]any)
	if !ok {
		return all
	}
	for name, account := range accounts {
		all[name] = []string{}
		keys, ok := account.(map[string]any)
		if !ok {
			continue
		}
		for _, kind := range []string{"exports", "imports"} {
			list, _ := keys[kind].([]any)
			for _, x := range list {
				if text, err := json.Marshal(x); err == nil {
					all[name] = append(all[name], kind+" "+string(text))
				}
			}
		}
		slices.Sort(all[name])
	}
	return all
}
