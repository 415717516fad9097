package config

import (
	"usher/app/config/schema"
)

// Webhook is an HTTP endpoint of the user's own that verifies credentials.
type Webhook struct {
	Name string `yaml:"name" required:"true" rule:"name" hint:"a short name for the endpoint" doc:"Name of the authority in identities, logs, audit and metrics. Requests contain it."`
	URL  string `yaml:"url" required:"true" rule:"https-url" hint:"where the endpoint listens" doc:"URL of the endpoint. usher goes there directly, through no proxy, and follows no redirect."`

	SecretFile string `yaml:"secret_file" rule:"path" hint:"a file with a secret of 32 characters or more" doc:"File with the secret that signs requests (HMAC-SHA-256), which the endpoint knows too. usher reads it for each call, and refuses a file that others can read, see keyring.allow_group_readable."`
	NKeyFile   string `yaml:"nkey_file" rule:"path" hint:"a file with the seed of a user nkey" doc:"File with the seed of a user nkey (SU…) that signs requests (Ed25519); the endpoint knows the public key. usher reads it for each call, and refuses a file that others can read."`

	Send   string   `yaml:"send" default:"token" rule:"one-of=token|user_password" doc:"What is sent. token: the token, whichever field a client gives it in. user_password: user name and password."`
	Prefix string   `yaml:"prefix" rule:"line" doc:"With which every token of this endpoint begins, such as sess_; if send is user_password, every user name. Others are not sent. If empty, the endpoint gets every credential that no verifier before it knows."`
	JWT    bool     `yaml:"jwt" doc:"Whether tokens in the form of a JWT are sent as well. API keys of usher, health-check tokens and NATS JWTs never are."`
	Facts  []string `yaml:"facts" default:"[client, tls, selection]" rule:"each=one-of=client|server|tls|tls_chain|selection unique" doc:"What requests say besides the credential (docs/reference/webhook.md). An answer is kept for exactly these facts. With server, a client that comes back over another server is asked about again. tls_chain is tls with the certificates themselves."`

	Cache   BackendCache   `yaml:"cache" doc:"How long answers are used."`
	Calls   BackendCalls   `yaml:"calls" doc:"Limits of the calls to the endpoint."`
	Breaker BackendBreaker `yaml:"breaker" doc:"When the endpoint is not asked for a while."`
	TLS     BackendTLS     `yaml:"tls" doc:"TLS of the connections to the endpoint."`
}

func webhookConstraints() []schema.Constraint {
	const at = "credentials.webhook[]."
	return []schema.Constraint{
		schema.ExactlyOne(at+"secret_file", at+"nkey_file"),
		schema.BothOrNeither(at+"tls.cert_file", at+"tls.key_file"),
	}
}
