package config

// Automate is a Chef Automate whose services decide about tokens.
type Automate struct {
	Name  string       `yaml:"name" required:"true" rule:"name" hint:"a short name for the Automate, such as automate" doc:"Name of the authority in identities, logs, audit and metrics."`
	Authn AuthnService `yaml:"authn" doc:"The service that says whose a token is."`
	Authz AuthzService `yaml:"authz" doc:"The service that says in which projects somebody is allowed an action."`
	TLS   AutomateTLS  `yaml:"tls" doc:"TLS of the connections to both services."`

	Resource string `yaml:"resource" default:"ingest:unifiedEvents" rule:"line" doc:"Resource of the question to authz-service."`
	Action   string `yaml:"action" default:"ingest:unifiedEvents:create" rule:"line" doc:"Action of the question to authz-service. Whoever is allowed it in no project is denied."`

	Prefix string `yaml:"prefix" rule:"line" doc:"With which every token of this Automate begins. Others are not sent. If empty, authn-service gets every token that no verifier before it knows, and one that it does not know either may be known to a verifier behind."`
	JWT    bool   `yaml:"jwt" doc:"Whether tokens in the form of a JWT are sent as well. Tokens of Automate are none. API keys of usher, health-check tokens and NATS JWTs are never sent."`

	Cache   BackendCache   `yaml:"cache" doc:"How long answers are used. A token that is revoked in Automate lets clients connect for max_age."`
	Calls   BackendCalls   `yaml:"calls" doc:"Limits of the calls. timeout is that of the calls to both services together."`
	Breaker BackendBreaker `yaml:"breaker" doc:"When the services are not asked for a while. A service to which there is no connection needs no such pause: usher uses it as soon as it is there again."`
}

// AuthnService is Automate's authn-service.
type AuthnService struct {
	Address    string `yaml:"address" required:"true" rule:"address" hint:"where authn-service listens" doc:"host:port of authn-service. usher goes there directly, through no proxy."`
	ServerName string `yaml:"server_name" default:"authn-service" rule:"line" doc:"Name that the certificate of the service must be for."`
}

// AuthzService is Automate's authz-service.
type AuthzService struct {
	Address    string `yaml:"address" required:"true" rule:"address" hint:"where authz-service listens" doc:"host:port of authz-service. usher goes there directly, through no proxy."`
	ServerName string `yaml:"server_name" default:"authz-service" rule:"line" doc:"Name that the certificate of the service must be for."`
}

// AutomateTLS are the files for mutual TLS.
type AutomateTLS struct {
	CAFile   string `yaml:"ca_file" required:"true" rule:"path" hint:"Automate's root CA" doc:"PEM file with the CA certificates to verify the services' certificates with."`
	CertFile string `yaml:"cert_file" required:"true" rule:"path" hint:"a certificate that Automate's CA has signed" doc:"PEM file with usher's certificate, as the services want one. usher reads it again for each connection."`
	KeyFile  string `yaml:"key_file" required:"true" rule:"path" hint:"the private key of cert_file" doc:"PEM file with the private key of the certificate. usher refuses a file that others can read, see keyring.allow_group_readable."`
}
