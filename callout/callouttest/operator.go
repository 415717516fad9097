package callouttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// OperatorConfig describes an Operator and its servers.
type OperatorConfig struct {
	Servers    int  // default 1; more are a cluster
	Sealed     bool // requests are sealed to the xkey of the callout account
	NoSentinel bool // servers have no default_sentinel: clients need SentinelCreds
	TLS        *CA
	Timeout    float64 // auth timeout in seconds; default 3
	// Edit changes claims before they are signed: of the operator (name
	// "operator"), of an account (its name), or of a user ("sentinel", "usher",
	// "sys", "admin").
	Edit func(name string, c jwt.Claims)
	// Scoped makes scoped signing keys of AppAccount, by role.
	Scoped map[string]jwt.UserPermissionLimits
	// ServerExtra is appended to every server's configuration file.
	ServerExtra string
	// DisableShortFirstPing is as for a Server.
	DisableShortFirstPing bool
	// Program is a nats-server to run as a process of its own, of any version. Only one,
	// and Native and AccountOf are not to be had then.
	Program string
	// Memory preloads the account JWTs into a memory resolver, which takes no push.
	Memory bool
}

// Operator is an operator with its accounts, keys and servers: operator mode as
// `usher init --operator` makes it, with the accounts of Server. Users are signed
// by the accounts' own keys, grants by signing keys.
type Operator struct {
	Dir     string // everything below lies here
	Keyring string // keyring directory with keyring.yaml
	JWTDir  string // operator.jwt and accounts/NAME.jwt

	SentinelCreds, ServiceCreds, SystemCreds, AdminCreds string // files
	SentinelJWT                                          string
	SigningKeyFile                                       string // seed of the operator's signing key

	Key, SigningKey nkeys.KeyPair            // of the operator
	Identity        map[string]nkeys.KeyPair // of the accounts, by name
	Accounts        map[string]string        // public keys, by name
	Signing         map[string]Keys          // first signing key of an account ("APP") or scope ("APP/publisher"): IssuerSeed, Issuer
	XKey            Keys                     // XKeySeed, XKey
	Servers         []*OperatorServer

	cfg OperatorConfig
}

// StartOperator makes an operator and starts its servers; they end with the test.
func StartOperator(tb testing.TB, cfg OperatorConfig) *Operator {
	tb.Helper()
	o := NewOperator(tb, cfg)
	o.Start(tb)
	return o
}

// NewOperator makes all files of an operator, and starts nothing.
func NewOperator(tb testing.TB, cfg OperatorConfig) *Operator {
	tb.Helper()
	if cfg.Servers == 0 {
		cfg.Servers = 1
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 3
	}
	dir := tb.TempDir()
	o := &Operator{
		Dir: dir, Keyring: filepath.Join(dir, "keys"), JWTDir: filepath.Join(dir, "operator"),
		Identity: map[string]nkeys.KeyPair{}, Accounts: map[string]string{}, Signing: map[string]Keys{},
		cfg: cfg,
	}
	o.makeKeys(tb)
	o.makeOperator(tb)
	for _, name := range OperatorAccounts() {
		o.WriteAccount(tb, name, o.NewAccount(tb, name))
	}
	o.makeUsers(tb)
	o.WriteKeyring(tb)
	ports := make([]int, cfg.Servers)
	for i := range ports {
		ports[i] = FreePort(tb)
	}
	for i, port := range ports {
		s := &OperatorServer{Name: fmt.Sprintf("n%d", i+1), port: port, tls: cfg.TLS, program: cfg.Program, disableShortFirstPing: cfg.DisableShortFirstPing, file: filepath.Join(dir, fmt.Sprintf("n%d.conf", i+1))}
		Must(tb, os.WriteFile(s.file, []byte(o.serverConfig(tb, s, ports)), 0o600))
		o.Servers = append(o.Servers, s)
	}
	return o
}

// OperatorAccounts lists the accounts of every Operator.
func OperatorAccounts() []string {
	return []string{SystemAccount, CalloutAccount, AppAccount, OtherAccount, HealthAccount}
}

// Start starts the servers, and pushes the accounts to the resolver.
func (o *Operator) Start(tb testing.TB) {
	tb.Helper()
	for _, s := range o.Servers {
		s.Start(tb)
	}
	tb.Cleanup(func() {
		for _, s := range o.Servers {
			s.Stop()
		}
	})
	o.WaitCluster(tb)
}

// URLs returns the URLs of all servers, comma-separated.
func (o *Operator) URLs() string {
	urls := make([]string, len(o.Servers))
	for i, s := range o.Servers {
		urls[i] = s.URL()
	}
	return strings.Join(urls, ",")
}

// System connects as a user of the system account.
func (o *Operator) System(tb testing.TB) *nats.Conn {
	tb.Helper()
	return o.connect(tb, o.SystemCreds)
}

// Admin connects as an unlimited user of AppAccount, past the callout.
func (o *Operator) Admin(tb testing.TB) *nats.Conn {
	tb.Helper()
	return o.connect(tb, o.AdminCreds)
}

func (o *Operator) connect(tb testing.TB, creds string) *nats.Conn {
	tb.Helper()
	opts := []nats.Option{nats.UserCredentials(creds), ConnectTimeout()}
	if o.cfg.TLS != nil {
		opts = append(opts, nats.Secure(o.cfg.TLS.ClientTLS()))
	}
	nc, err := nats.Connect(o.Servers[0].URL(), opts...)
	Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}
