package config

// Authorities returns the names of the authorities of all configured kinds.
func (c *Credentials) Authorities() []string {
	names, _ := c.attest()
	return names
}

// attest returns what the configured verifiers attest: the names of their authorities, and
// the top-level keys of the facts that rules of identities can ask for.
func (c *Credentials) attest() (authorities, attributes []string) {
	add := func(authority string, facts ...string) {
		authorities, attributes = append(authorities, authority), append(attributes, facts...)
	}
	const claims, kubernetes, certificate = "claims", "kubernetes", "certificate"
	for i := range c.OIDC {
		add(c.OIDC[i].Name, claims)
	}
	for i := range c.Kubernetes {
		add(c.Kubernetes[i].Name, kubernetes)
		if c.Kubernetes[i].Mode == KubernetesJWKS {
			attributes = append(attributes, claims)
		}
	}
	for i := range c.Introspection {
		add(c.Introspection[i].Name, claims)
	}
	for i := range c.Automate {
		add(c.Automate[i].Name, claims)
	}
	for i := range c.Webhook {
		add(c.Webhook[i].Name, "webhook")
	}
	if c.X509.Identity != "off" {
		add(c.X509.Name, certificate) // beside a token too, with with_token: agree
	}
	if c.NATSJWT.Enabled {
		add(c.NATSJWT.Name, "nats")
	}
	if c.Anonymous.Enabled {
		add(c.Anonymous.Name)
	}
	return authorities, attributes
}
