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

// OperatorConfig configures an Operator and its servers.
type OperatorConfig struct {
	Servers    int  // default 1; more form a cluster
	Sealed     bool // requests are sealed to the xkey of the callout account
	NoSentinel bool // servers have no default_sentinel: clients need SentinelCreds
	TLS        *CA
	Verify     bool    // as in ServerConfig
	Cookies    bool    // as in ServerConfig, and a user JWT in JWTCookie
	Timeout    float64 // auth timeout in seconds; default 3
	// Edit changes claims before they are signed. name is "operator", the name of an
	// account, or of a user ("sentinel", "usher", "sys", "admin").
	Edit func(name string, c jwt.Claims)
	// Scoped are the templates of scoped signing keys of AppAccount, by role.
	Scoped map[string]jwt.UserPermissionLimits
	// ServerExtra is appended to every server's configuration file.
	ServerExtra string
	// Program is a nats-server of any version to run as a process. It works with one
	// server only, and not with NATSServer and AccountOf.
	Program string
	// Memory uses the memory resolver, which accepts no pushed account JWTs.
	Memory bool
}

// Operator is an operator with its accounts, keys and servers, as
// `usher init --operator` creates it. It has the accounts of Server. The accounts' own
// keys sign users, and signing keys sign grants.
type Operator struct {
	Dir     string // contains all other files
	Keyring string // keyring directory
	JWTDir  string // contains operator.jwt and accounts/NAME.jwt

	SentinelCreds, ServiceCreds, SystemCreds, AdminCreds string // files
	SentinelJWT                                          string
	SigningKeyFile                                       string // of the operator

	Key, SigningKey nkeys.KeyPair            // of the operator
	Identity        map[string]nkeys.KeyPair // of the accounts, by name
	Accounts        map[string]string        // public keys, by name
	Signing         map[string]Keys          // first signing key of an account ("APP") or scope ("APP/publisher"): IssuerSeed, Issuer
	XKey            Keys                     // XKeySeed, XKey
	Servers         []*OperatorServer

	cfg OperatorConfig
}

// StartOperator creates an operator and starts its servers. They stop when the test
// ends.
func StartOperator(tb testing.TB, cfg OperatorConfig) *Operator {
	tb.Helper()
	o := NewOperator(tb, cfg)
	o.Start(tb)
	return o
}

// NewOperator creates an operator and all files, without starting servers.
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
	o.createKeys(tb)
	o.createOperator(tb)
	for _, name := range OperatorAccounts() {
		o.WriteAccount(tb, name, o.AccountClaims(tb, name))
	}
	o.createUsers(tb)
	o.WriteKeyring(tb)
	ports := make([]int, cfg.Servers)
	for i := range ports {
		ports[i] = FreePort(tb)
	}
	for i, port := range ports {
		s := &OperatorServer{Name: fmt.Sprintf("n%d", i+1), port: port, tls: cfg.TLS, verify: cfg.Verify, program: cfg.Program, file: filepath.Join(dir, fmt.Sprintf("n%d.conf", i+1))}
		Must(tb, os.WriteFile(s.file, []byte(o.serverConfig(tb, s, ports)), 0o600))
		o.Servers = append(o.Servers, s)
	}
	return o
}

// OperatorAccounts lists the accounts of every Operator.
func OperatorAccounts() []string {
	return []string{SystemAccount, CalloutAccount, AppAccount, OtherAccount, HealthAccount}
}

// Start starts the servers and waits until they form a cluster.
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

// ConnectSystem connects as a user of the system account.
func (o *Operator) ConnectSystem(tb testing.TB) *nats.Conn {
	tb.Helper()
	return o.connect(tb, o.SystemCreds)
}

// ConnectAdmin connects as an unlimited user of AppAccount, without auth callout.
func (o *Operator) ConnectAdmin(tb testing.TB) *nats.Conn {
	tb.Helper()
	return o.connect(tb, o.AdminCreds)
}

func (o *Operator) connect(tb testing.TB, creds string) *nats.Conn {
	tb.Helper()
	opts := []nats.Option{nats.UserCredentials(creds), ConnectTimeout()}
	if o.cfg.TLS != nil {
		opts = append(opts, o.cfg.TLS.secure(tb, o.cfg.Verify))
	}
	nc, err := nats.Connect(o.Servers[0].URL(), opts...)
	Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}
