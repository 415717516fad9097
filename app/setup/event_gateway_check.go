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
		Name      string   `json:"name"`
		Address   string   `json:"address"`
		CAFile    string   `json:"ca_file"`
		CertFile  string   `json:"cert_file,omitempty"`
		KeyFile   string   `json:"key_file,omitempty"`
		AsksUsher bool     `json:"asks_usher"`
		Clients   *clients `json:"clients,omitempty"`
	}
	file := func(name string) string {
		if g.PKI == "" {
			return name
		}
		return g.pkiFile(name)
	}
	// Each gateway has to accept the certificate of the other.
	external := entry{
		Name: GatewayExternal, Address: reachable(g.Reach.External), CAFile: file(FileCA), AsksUsher: true,
		CertFile: file(CertFile(GatewayInternal)), KeyFile: file(KeyFile(GatewayInternal)),
		Clients: &clients{Address: reachable(g.Listen), Names: g.Hosts, CAFile: g.publicCA()},
	}
	internal := entry{
		Name: GatewayInternal, Address: reachable(g.Reach.Internal), CAFile: file(FileCA), AsksUsher: g.asksUsher(),
		CertFile: file(CertFile(GatewayExternal)), KeyFile: file(KeyFile(GatewayExternal)),
		Clients: &clients{Address: reachable(g.Internal), Names: []string{GatewayInternal}, CAFile: file(FileCA), Verify: true},
	}
	if g.ExternalOnly || !onThisMachine(internal.Address) { // the key of the other gateway is elsewhere
		external.CertFile, external.KeyFile = "", ""
	}
	if g.ExternalOnly && !onThisMachine(internal.Address) { // nobody said where its clients connect
		internal.Clients = nil
	}
	text, err := json.Marshal([]entry{external, internal})
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

// onThisMachine reports whether an address is of this machine alone.
func onThisMachine(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
