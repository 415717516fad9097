package setup

import (
	"encoding/json"
	"net"
	"slices"
)

// gateways returns the section gateways of usher.yaml, for usher check, as YAML on one
// line.
func (g *EventGateway) gateways() string {
	type clients struct {
		Address string   `json:"address"`
		Names   []string `json:"names"`
		CAFile  string   `json:"ca_file,omitempty"`
		Verify  bool     `json:"verify,omitempty"`
	}
	type entry struct {
		Name      string  `json:"name"`
		Address   string  `json:"address"`
		CAFile    string  `json:"ca_file"`
		CertFile  string  `json:"cert_file"`
		KeyFile   string  `json:"key_file"`
		AsksUsher bool    `json:"asks_usher"`
		Clients   clients `json:"clients"`
	}
	// Each gateway has to accept the certificate of the other.
	text, err := json.Marshal([]entry{
		{
			Name: GatewayExternal, Address: reachable(g.GatewayOf.External), CAFile: FileCA,
			CertFile: CertFile(GatewayInternal), KeyFile: KeyFile(GatewayInternal), AsksUsher: true,
			Clients: clients{Address: reachable(g.Listen), Names: g.Hosts, CAFile: FileCA},
		},
		{
			Name: GatewayInternal, Address: reachable(g.GatewayOf.Internal), CAFile: FileCA,
			CertFile: CertFile(GatewayExternal), KeyFile: KeyFile(GatewayExternal),
			Clients: clients{Address: reachable(g.Internal), Names: []string{GatewayInternal}, CAFile: FileCA, Verify: true},
		},
	})
	if err != nil { // it has strings alone
		return "[]"
	}
	return string(text)
}

// reachable returns an address at which this machine reaches a server that listens on
// another one.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || !slices.Contains([]string{"", "0.0.0.0", "::"}, host) {
		return listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}
