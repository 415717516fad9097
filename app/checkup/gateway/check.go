package gateway

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"sync"
	"time"

	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/tlsfiles"
)

// portsLimit is how long the checks of all ports may take. Each gateway has its own.
const portsLimit = 30 * time.Second

// CheckPorts connects to the addresses of the section gateways, and checks their TLS. state
// may be nil.
func CheckPorts(ctx context.Context, f *finding.List, cfg *config.Config, state *State, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, portsLimit)
	defer cancel()
	found := make([]finding.List, len(cfg.Gateways))
	var checking sync.WaitGroup
	for i := range cfg.Gateways {
		checking.Go(func() {
			p := port{List: &found[i], cfg: cfg, gateway: &cfg.Gateways[i], state: state, now: now}
			p.checkGateway(ctx)
			p.checkClients(ctx)
		})
	}
	checking.Wait()
	for _, list := range found {
		*f = append(*f, list...)
	}
}

// port checks the ports of one gateway.
type port struct {
	*finding.List
	cfg     *config.Config
	gateway *config.Gateway
	state   *State
	now     time.Time
}

// serverName returns the name that the gateway's certificate must have.
func serverName(g *config.Gateway) string { return cmp.Or(g.ServerName, g.Name) }

// roots reads a ca_file; nil: the root CAs of the system.
func roots(file string) (*x509.CertPool, string, error) {
	if file == "" {
		return nil, "the system", nil
	}
	t, err := tlsfiles.Client(tlsfiles.Files{CA: file})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", file, err)
	}
	return t.RootCAs, file, nil
}

// Entry returns the entry of the section gateways with this name; nil: there is none.
func Entry(cfg *config.Config, name string) *config.Gateway {
	for i := range cfg.Gateways {
		if cfg.Gateways[i].Name == name {
			return &cfg.Gateways[i]
		}
	}
	return nil
}

// at names a place: a gateway and one of its addresses.
func at(g *config.Gateway, address string) string { return fmt.Sprintf("%s at %s", g.Name, address) }
