package config

import "usher/app/config/schema"

// Gateway is a gateway that servers of the installation are joined by. Only usher check
// uses it.
type Gateway struct {
	Name       string         `yaml:"name" required:"true" rule:"line" hint:"gateway.name in the configuration of its servers" doc:"Name of the gateway: gateway.name in the configuration of its servers."`
	Address    string         `yaml:"address" required:"true" rule:"address" hint:"gateway.listen in the configuration of its server, as this machine reaches it" doc:"Address of the gateway of one of its servers."`
	ServerName string         `yaml:"server_name" rule:"host" doc:"DNS name that the gateway's certificate must have. If empty, it is name."`
	CAFile     string         `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates that the gateways trust, instead of the root CAs of the system."`
	CertFile   string         `yaml:"cert_file" rule:"path" doc:"PEM file with a certificate that this gateway must accept, such as that of another gateway. Without it, usher check does not see whether the gateway accepts the others."`
	KeyFile    string         `yaml:"key_file" rule:"path" doc:"PEM file with the private key of cert_file. usher check refuses a file that others can read, see keyring.allow_group_readable; without access to it, it warns."`
	AsksUsher  bool           `yaml:"asks_usher" default:"true" doc:"Whether the servers of this gateway ask usher about their clients. false: they decide for themselves, as the internal server of an event gateway does by certificates. usher check then looks for no auth callout there."`
	Clients    GatewayClients `yaml:"clients" doc:"The port for clients of one of its servers."`
}

// GatewayClients is the port for clients of a server of a gateway.
type GatewayClients struct {
	Address string   `yaml:"address" rule:"address" doc:"Its address, as this machine reaches it. If empty, usher check does not look at its TLS."`
	Names   []string `yaml:"names" default:"[]" rule:"each=host unique" doc:"Names by which clients reach the server. It must have a certificate for each. For a host name, clients say the name in the handshake (SNI)."`
	CAFile  string   `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates that clients trust, instead of the root CAs of the system."`
	Verify  bool     `yaml:"verify" doc:"Whether the server must refuse clients without a certificate."`
}

func gatewayConstraints() []schema.Constraint {
	const at = "gateways[]."
	return []schema.Constraint{
		schema.BothOrNeither(at+"cert_file", at+"key_file"),
		schema.BothOrNeither(at+"clients.address", at+"clients.names"),
		schema.OnlyWith(at+"clients.ca_file", at+"clients.address"),
		schema.OnlyWith(at+"clients.verify", at+"clients.address"),
	}
}
