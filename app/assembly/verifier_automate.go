package assembly

import (
	"fmt"

	"github.com/nats-io/nuid"

	"usher/app/config"
	"usher/identity"
	"usher/internal/tlsfiles"
	"usher/tokens"
	"usher/tokens/automate"
)

func automateVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	var made []tokens.Verifier
	for i := range in.cfg.Credentials.Automate {
		v, err := automateVerifier(in, &in.cfg.Credentials.Automate[i])
		if err != nil {
			return nil, fmt.Errorf("automate %s: %w", in.cfg.Credentials.Automate[i].Name, err)
		}
		made = append(made, v)
	}
	return made, nil
}

func automateVerifier(in *verifierInputs, c *config.Automate) (*automate.Verifier, error) {
	secured, err := tlsfiles.Client(tlsfiles.Files{
		CA: c.TLS.CAFile, Cert: c.TLS.CertFile, Key: c.TLS.KeyFile, AllowGroupReadable: in.cfg.Keyring.AllowGroupReadable,
	})
	if err != nil {
		return nil, fmt.Errorf("tls.%w", err)
	}
	return automate.NewVerifier(automate.Config{
		Authority: identity.Authority(c.Name),
		Authn:     automate.Service{Address: c.Authn.Address, Name: c.Authn.ServerName, TLS: secured},
		Authz:     automate.Service{Address: c.Authz.Address, Name: c.Authz.ServerName, TLS: secured},
		Resource:  c.Resource, Action: c.Action, Prefix: c.Prefix, JWT: c.JWT,
		Backend: backendConfig(&c.Cache, &c.Calls, &c.Breaker), Now: in.now, NewID: nuid.Next,
	}), nil
}
