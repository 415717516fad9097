package config

import "time"

// The sections of kinds of credentials that ask another system. Each kind has them under
// the same names.

// BackendCache configures how long answers of another system are used.
type BackendCache struct {
	MaxAge     time.Duration `yaml:"max_age" default:"60s" rule:"not-negative at-most=24h" doc:"How long an answer is used without asking again, at most to its own end. 0: for one request only. A credential that is revoked at the other system lets clients connect for this long."`
	RefusalAge time.Duration `yaml:"refusal_age" default:"5s" rule:"not-negative at-most=1h" doc:"How long a refusal is used without asking again. 0: for one request only."`
	Stale      time.Duration `yaml:"stale" default:"0s" rule:"not-negative at-most=24h" doc:"For how much longer than max_age an answer is used if the other system does not answer, at most to its own end. 0: not at all, clients then have to try again."`
	Size       int           `yaml:"size" default:"10000" rule:"between=1..1000000" doc:"Maximum number of answers, and of refusals. The least recently used is dropped."`
}

// BackendCalls limits the calls to another system.
type BackendCalls struct {
	Timeout     time.Duration `yaml:"timeout" default:"1s" rule:"at-least=10ms at-most=30s" doc:"Duration of a call with its retries, and of the wait for one's turn before it. A client waits for callout.budget."`
	Concurrency int           `yaml:"concurrency" default:"32" rule:"between=1..10000" doc:"Maximum number of calls at a time."`
	Retries     int           `yaml:"retries" default:"1" rule:"between=0..10" doc:"How often a call is repeated that failed in a way that may pass, such as a broken connection."`
}

// BackendBreaker configures the circuit breaker of another system.
type BackendBreaker struct {
	Failures int           `yaml:"failures" default:"5" rule:"between=1..1000" doc:"Number of failed calls in a row after which the other system is not asked for a while."`
	Cooldown time.Duration `yaml:"cooldown" default:"5s" rule:"at-least=100ms at-most=10m" doc:"How long it is not asked. Then one call tries whether it answers again."`
}

// BackendTLS configures the TLS of the connections to another system.
type BackendTLS struct {
	CAFile   string `yaml:"ca_file" rule:"path" doc:"PEM file with the CA certificates to verify its certificate with, instead of the root CAs of the system."`
	CertFile string `yaml:"cert_file" rule:"path" doc:"PEM file with a client certificate. usher reads it again for each connection."`
	KeyFile  string `yaml:"key_file" rule:"path" doc:"PEM file with the private key of the client certificate. usher refuses a file that others can read, see keyring.allow_group_readable."`
}
