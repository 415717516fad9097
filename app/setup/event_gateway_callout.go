package setup

import "encoding/json"

// ServicesBy says who decides about the services of the internal server.
type ServicesBy string

// Who decides.
const (
	ServicesByServer  ServicesBy = "server"  // nats-server, by its configuration (verify_and_map)
	ServicesByCallout ServicesBy = "callout" // usher, by the profiles in usher.yaml
)

// asksUsher reports whether the internal server asks usher about services.
func (g *EventGateway) asksUsher() bool { return g.Services == ServicesByCallout }

// checkServices refuses what usher cannot decide about. A leaf node needs everything in its
// account, so usher grants none to a service.
func (g *EventGateway) checkServices() error {
	const hint = "let the internal server decide about services: --services server"
	switch {
	case !g.asksUsher():
		return nil
	case g.Bridge != nil:
		return certFault(hint, "the store of the bridge joins the internal server as a leaf node, and usher lets no service do so")
	case g.ExternalOnly:
		return certFault(hint, "the internal server runs already, with a configuration of its own")
	default:
		return nil
	}
}

// servicesConfig returns the values of usher.yaml for services, if usher decides about them.
func (g *EventGateway) servicesConfig() map[string]string {
	if !g.asksUsher() {
		return nil
	}
	type profile struct {
		Name      string   `json:"name"`
		Account   string   `json:"account"`
		Publish   []string `json:"publish"`
		Subscribe []string `json:"subscribe"`
	}
	var profiles []profile
	for _, s := range g.services() {
		profiles = append(profiles, profile{s.Name, AccountEvents, s.Publish, s.Subscribe})
	}
	text, _ := json.Marshal(profiles) // texts and lists of texts
	ca := FileCA
	if g.PKI != "" {
		ca = g.pkiFile(FileCA)
	}
	return map[string]string{
		"credentials.x509.identity":   "cn",
		"credentials.x509.name":       "services",
		"credentials.x509.ca_file":    ca,
		"credentials.x509.with_token": "alone",
		"profiles":                    string(text),
		"identities.rules":            `[{name: services, when: [{fact: authority, equals: services}], profile: "{id}"}]`,
	}
}

// servicesTemplates are the parts of the configuration of an internal server that asks
// usher about services.
const servicesTemplates = `
{{- define "asks"}}
  # nats-server sends its authorization requests in this account. They reach usher over the
  # gateway, because it is connected to the external server.
  {{.Callout}} { users: [ { user: {{.User}}, password: "{{.Hash}}" } ] }
  # As on the external server: usher answers both alike.
  {{.Health}} {}
{{- end}}

{{- define "callout"}}

authorization {
` + timeoutNote + `  timeout: 3
  auth_callout {
    account: {{.Callout}}
    auth_users: [ {{.User}} ]
    issuer: {{.Issuer}}
    xkey: {{.XKey}}
  }
}
{{- end}}
`
