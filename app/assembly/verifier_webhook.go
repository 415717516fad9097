package assembly

import (
	"fmt"

	"github.com/nats-io/nuid"

	"usher/app/config"
	"usher/identity"
	"usher/internal/secretfile"
	"usher/tokens"
	"usher/tokens/backend"
	"usher/tokens/webhook"
)

func webhookVerifiers(in *verifierInputs) ([]tokens.Verifier, error) {
	var made []tokens.Verifier
	for i := range in.cfg.Credentials.Webhook {
		v, err := webhookVerifier(in, &in.cfg.Credentials.Webhook[i])
		if err != nil {
			return nil, fmt.Errorf("webhook %s: %w", in.cfg.Credentials.Webhook[i].Name, err)
		}
		made = append(made, v)
	}
	return made, nil
}

func webhookVerifier(in *verifierInputs, c *config.Webhook) (*webhook.Verifier, error) {
	groups := in.cfg.Keyring.AllowGroupReadable
	sign, err := webhookSigner(c, groups)
	if err != nil {
		return nil, err
	}
	client, err := backend.NewHTTPClient(backendHTTP(&c.TLS, &c.Calls, groups))
	if err != nil {
		return nil, fmt.Errorf("tls.%w", err)
	}
	facts := make([]webhook.Fact, len(c.Facts))
	for i, f := range c.Facts {
		facts[i] = webhook.Fact(f)
	}
	asked := backendConfig(&c.Cache, &c.Calls, &c.Breaker)
	asked.Now = in.now
	return webhook.NewVerifier(webhook.Config{
		Authority: identity.Authority(c.Name), URL: c.URL, Client: client, Sign: sign,
		Send: webhook.Kind(c.Send), Prefix: c.Prefix, JWT: c.JWT, Facts: facts,
		Backend: asked, Now: in.now, NewID: nuid.Next,
	}), nil
}

// webhookSigner checks the file of the secret or of the seed, which is read again for each
// call.
func webhookSigner(c *config.Webhook, allowGroup bool) (webhook.Signer, error) {
	read := func(path string) func() (string, error) {
		return func() (string, error) { return secretfile.Read(path, allowGroup) }
	}
	if c.SecretFile != "" {
		return webhook.NewHMAC(read(c.SecretFile)), checkKeyFile("secret_file", read(c.SecretFile), webhook.CheckSecret)
	}
	return webhook.NewNKey(read(c.NKeyFile)), checkKeyFile("nkey_file", read(c.NKeyFile), webhook.CheckSeed)
}

func checkKeyFile(key string, read func() (string, error), check func(string) error) error {
	text, err := read()
	if err == nil {
		err = check(text)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}
