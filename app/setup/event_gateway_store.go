package setup

// The names of the parts that Bridge adds.
const (
	FileStore     = "store.conf"  // of the nats-server that has the stream
	ServiceBridge = "stan-bridge" // usher's bridge, and its certificate
	ServiceStore  = "event-store" // the store, and its certificate
	StoreDomain   = "store"       // its JetStream domain
	StreamHabitat = "HABITAT"
	Durable       = "habitat" // the consumer of ServiceApplications
)

// The default addresses of a Bridge.
const (
	DefaultLeaf  = "127.0.0.1:10149"
	DefaultStore = "127.0.0.1:10150"
)

// Bridge adds to an event gateway what app/stanbridge needs in place of a NATS Streaming
// server: a store for its stream, and a user for it.
//
// The store is a nats-server of its own, because one with a gateway has no JetStream unless
// it is a cluster of three (docs/adr/0021-stan-bridge.md).
type Bridge struct {
	Leaf  string // HOST:PORT where the internal server waits for the store
	Store string // HOST:PORT of the store, for whoever administers the stream
}

// StreamSubject returns the subject of a channel in the stream.
func StreamSubject(channel string) string { return "stan." + channel }

// BridgeServices returns the services of an event gateway that has a Bridge. They are those
// of Services, without the streaming server.
func BridgeServices() []Service {
	const (
		c   = StreamingCluster
		api = "$JS." + StoreDomain + ".API."
		one = StreamHabitat + "." + Durable
		// A reply subject of JetStream for acknowledgements ends so.
		delivery = ".*.*.*.*.*"
	)
	return []Service{
		{
			Name: ServiceBridge,
			Publish: []string{
				StreamSubject(Durable), "_STAN.discover." + c + ".pings", // for usher check
				api + "STREAM.INFO." + StreamHabitat, api + "STREAM.CREATE." + StreamHabitat,
				api + "CONSUMER.CREATE." + one, api + "CONSUMER.INFO." + one,
			},
			Subscribe: []string{
				"_STAN.discover." + c, "_STAN.discover." + c + ".pings", "_STAN.pub." + c + ".*", "_STAN.close." + c,
				"_STAN.sub." + c, "_STAN.unsub." + c, "_STAN.subclose." + c, "_INBOX.>",
			},
			Responses: true,
		},
		{
			Name: ServiceApplications,
			Publish: []string{
				api + "CONSUMER.INFO." + one, api + "CONSUMER.MSG.NEXT." + one,
				"$JS.ACK." + one + delivery,
			},
			Subscribe: []string{"_INBOX.>", "habitat.event.>"},
		},
		{
			Name: ServiceStore,
			// What the store sends: answers, and messages to those who read the stream.
			Publish: []string{"_INBOX.>", StreamSubject(Durable)},
			// What it is sent: messages for the stream, requests, acknowledgements.
			Subscribe: []string{StreamSubject(Durable), api + ">", "$JS.ACK." + one + delivery},
			Leaf:      true,
		},
	}
}

// services returns the services of the event gateway.
func (g *EventGateway) services() []Service {
	if g.Bridge == nil {
		return Services()
	}
	return BridgeServices()
}

// store returns the further files of an event gateway with a Bridge.
func (g *EventGateway) store() []File {
	if g.Bridge == nil {
		return nil
	}
	return []File{{FileStore, g.storeConfig()}}
}

// storeConfig returns the configuration of the store.
func (g *EventGateway) storeConfig() []byte {
	return g.execute("store", map[string]any{
		"Name":   ServiceStore,
		"Domain": StoreDomain, "Jetstream": g.path(DirJetStream),
		"Listen": g.Bridge.Store,
		"Hub":    g.Bridge.Leaf, "HubName": GatewayInternal,
	})
}

// bridgeConfig returns the values of usher.yaml for the bridge.
func (g *EventGateway) bridgeConfig() map[string]string {
	if g.Bridge == nil {
		return nil
	}
	file := func(name string) string {
		if g.PKI == "" {
			return name // relative to usher.yaml
		}
		return g.pkiFile(name)
	}
	return map[string]string{
		"stan_bridge.urls": "[nats://" + g.Internal + "]", "stan_bridge.tls.server_name": GatewayInternal,
		"stan_bridge.tls.ca_file":   file(FileCA),
		"stan_bridge.tls.cert_file": file(CertFile(ServiceBridge)), "stan_bridge.tls.key_file": file(KeyFile(ServiceBridge)),
		"stan_bridge.domain": StoreDomain, "stan_bridge.durables": "[" + Durable + "]",
	}
}

// storeTemplates are the parts of configurations of servers that a Bridge adds.
const storeTemplates = `
{{- define "leaf"}}
# The store joins here. It needs a certificate of the CA, and is the user {{.Store}} above.
leafnodes {
  listen: "{{.Leaf}}"
  tls {
    cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
    verify_and_map: true
  }
}
{{end}}

{{- define "store" -}}
# Made by "usher init --event-gateway". The nats-server that stores what NATS Streaming
# clients publish: nats-server -c ` + FileStore + `
` + eventGatewayNotes + `server_name: {{.Name}}

# For whoever administers the stream, with the certificate of this server.
listen: "{{.Listen}}"
tls {
  cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}}
  verify_and_map: true
}

jetstream { store_dir: {{path .Jetstream}}, domain: {{.Domain}} }
accounts {
  {{.Events}} { jetstream: enabled, users: [ { user: {{.Name}} } ] }
  {{.System}} {}
}
system_account: {{.System}}

# It joins the internal server. The second URL is never dialed where its name has no
# address: it is the name that the certificate behind the first one must have.
leafnodes {
  reconnect: 1
  remotes: [ {
    urls: [ "tls://{{.Hub}}", "tls://{{named .HubName .Hub}}" ], no_randomize: true
    account: {{.Events}}
    tls { cert_file: {{file (cert .Name)}}, key_file: {{file (key .Name)}}, ca_file: {{file ca}} }
  } ]
}
{{end}}
`
