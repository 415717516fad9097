package callouttest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/devserver"
	"usher/issuer"
	"usher/keyring"
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

// OperatorServer is one nats-server of an Operator, in process, on loopback, for
// NATS, WebSocket, MQTT and leaf nodes.
type OperatorServer struct {
	Name string
	file string
	port int
	tls  *CA
	srv  *server.Server
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
		s := &OperatorServer{Name: fmt.Sprintf("n%d", i+1), port: port, tls: cfg.TLS, file: filepath.Join(dir, fmt.Sprintf("n%d.conf", i+1))}
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

// WaitCluster waits until every server has a route to every other.
func (o *Operator) WaitCluster(tb testing.TB) {
	tb.Helper()
	Eventually(tb, "the cluster is whole", func() bool {
		for _, s := range o.Servers {
			if s.srv.NumRoutes() < len(o.Servers)-1 {
				return false
			}
		}
		return true
	})
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
	opts := []nats.Option{nats.UserCredentials(creds)}
	if o.cfg.TLS != nil {
		opts = append(opts, nats.Secure(o.cfg.TLS.ClientTLS()))
	}
	nc, err := nats.Connect(o.Servers[0].URL(), opts...)
	Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}

func (o *Operator) makeKeys(tb testing.TB) {
	tb.Helper()
	pair := func(create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
		kp, err := create()
		Must(tb, err)
		return kp
	}
	o.Key, o.SigningKey = pair(nkeys.CreateOperator), pair(nkeys.CreateOperator)
	for _, name := range OperatorAccounts() {
		o.Identity[name] = pair(nkeys.CreateAccount)
		_, o.Accounts[name] = textOf(tb, o.Identity[name])
		if name != SystemAccount {
			o.Signing[name] = NewKeys(tb)
		}
	}
	for role := range o.cfg.Scoped {
		o.Signing[AppAccount+"/"+role] = NewKeys(tb)
	}
	o.XKey = NewKeys(tb)
	Must(tb, os.MkdirAll(o.Keyring, 0o700))
	Must(tb, os.MkdirAll(filepath.Join(o.JWTDir, "accounts"), 0o700))
	seed, _ := textOf(tb, o.SigningKey)
	o.SigningKeyFile = filepath.Join(o.Dir, "operator-signing.nk")
	WriteSeed(tb, o.SigningKeyFile, seed)
}

func (o *Operator) makeOperator(tb testing.TB) {
	tb.Helper()
	_, public := textOf(tb, o.Key)
	_, signing := textOf(tb, o.SigningKey)
	c := jwt.NewOperatorClaims(public)
	c.Name = "test"
	c.SigningKeys.Add(signing)
	c.SystemAccount = o.Accounts[SystemAccount]
	o.edit("operator", c)
	text, err := c.Encode(o.Key)
	Must(tb, err)
	Must(tb, os.WriteFile(filepath.Join(o.JWTDir, "operator.jwt"), []byte(text), 0o600))
}

func (o *Operator) edit(name string, c jwt.Claims) {
	if o.cfg.Edit != nil {
		o.cfg.Edit(name, c)
	}
}

// NewAccount returns the claims of an account as it is in the beginning.
func (o *Operator) NewAccount(tb testing.TB, name string) *jwt.AccountClaims {
	tb.Helper()
	c := jwt.NewAccountClaims(o.Accounts[name])
	c.Name = name
	if k, ok := o.Signing[name]; ok {
		c.SigningKeys.Add(k.Issuer)
	}
	switch name {
	case CalloutAccount:
		c.Authorization.AuthUsers.Add(o.userKey(tb, ServiceUser))
		c.Authorization.AllowedAccounts.Add(o.Accounts[AppAccount], o.Accounts[OtherAccount], o.Accounts[HealthAccount])
		if o.cfg.Sealed {
			c.Authorization.XKey = o.XKey.XKey
		}
	case AppAccount, OtherAccount:
		c.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	}
	if name == AppAccount {
		for role, template := range o.cfg.Scoped {
			scope := jwt.NewUserScope()
			scope.Key, scope.Role, scope.Template = o.Signing[AppAccount+"/"+role].Issuer, role, template
			c.SigningKeys.AddScopedSigner(scope)
		}
	}
	o.edit(name, c)
	return c
}

// WriteAccount signs the claims of an account and writes them to JWTDir, where a
// server that is started takes them from.
func (o *Operator) WriteAccount(tb testing.TB, name string, c *jwt.AccountClaims) string {
	tb.Helper()
	text, err := c.Encode(o.SigningKey)
	Must(tb, err)
	Must(tb, os.WriteFile(o.accountFile(name), []byte(text), 0o600))
	return text
}

func (o *Operator) accountFile(name string) string {
	return filepath.Join(o.JWTDir, "accounts", name+".jwt")
}

// Account returns the claims of an account as they are in JWTDir.
func (o *Operator) Account(tb testing.TB, name string) *jwt.AccountClaims {
	tb.Helper()
	text, err := os.ReadFile(o.accountFile(name))
	Must(tb, err)
	c, err := jwt.DecodeAccountClaims(string(text))
	Must(tb, err)
	return c
}

// Push writes the claims of an account and gives them to every server, and waits
// until all have taken them.
func (o *Operator) Push(tb testing.TB, name string, c *jwt.AccountClaims) {
	tb.Helper()
	text := o.WriteAccount(tb, name, c)
	nc := o.System(tb)
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	Must(tb, err)
	Must(tb, nc.PublishRequest("$SYS.REQ.CLAIMS.UPDATE", inbox, []byte(text)))
	for range o.Servers {
		m, err := sub.NextMsg(10 * time.Second)
		Must(tb, err)
		if !strings.Contains(string(m.Data), `"code":200`) {
			tb.Fatalf("push of %s: %s", name, m.Data)
		}
	}
	nc.Close()
}

// userKey returns the public key of a user; its seed lies in Dir.
func (o *Operator) userKey(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(o.Dir, name+".user.nk")
	seed, err := os.ReadFile(path)
	if err != nil {
		kp, err := nkeys.CreateUser()
		Must(tb, err)
		text, public := textOf(tb, kp)
		WriteSeed(tb, path, text)
		return public
	}
	kp, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	Must(tb, err)
	_, public := textOf(tb, kp)
	return public
}

func (o *Operator) makeUsers(tb testing.TB) {
	tb.Helper()
	o.SentinelJWT, o.SentinelCreds = o.user(tb, "sentinel", CalloutAccount)
	_, o.ServiceCreds = o.user(tb, ServiceUser, CalloutAccount)
	_, o.SystemCreds = o.user(tb, SystemUser, SystemAccount)
	_, o.AdminCreds = o.user(tb, AdminUser, AppAccount)
}

// user makes a user of an account, signed by the account's own key.
func (o *Operator) user(tb testing.TB, name, account string) (text, creds string) {
	tb.Helper()
	c := jwt.NewUserClaims(o.userKey(tb, name))
	c.Name = name
	if name == "sentinel" {
		c.BearerToken = true
		c.Pub.Deny.Add(">")
		c.Sub.Deny.Add(">")
	}
	o.edit(name, c)
	text, err := c.Encode(o.Identity[account])
	Must(tb, err)
	seed, err := os.ReadFile(filepath.Join(o.Dir, name+".user.nk"))
	Must(tb, err)
	content, err := jwt.FormatUserConfig(text, []byte(strings.TrimSpace(string(seed))))
	Must(tb, err)
	creds = filepath.Join(o.Dir, name+".creds")
	Must(tb, os.WriteFile(creds, content, 0o600))
	return text, creds
}

// WriteKeyring writes the keyring directory: a signing key for every account and
// scope, and the xkey if requests are sealed.
func (o *Operator) WriteKeyring(tb testing.TB) {
	tb.Helper()
	var b strings.Builder
	b.WriteString("accounts:\n")
	for _, name := range OperatorAccounts() {
		fmt.Fprintf(&b, "  - {name: %s, public_key: %s}\n", name, o.Accounts[name])
	}
	b.WriteString("keys:\n")
	for _, name := range sortedKeys(o.Signing) {
		account, scope, _ := strings.Cut(name, "/")
		file := strings.ReplaceAll(name, "/", "-") + keyring.SeedSuffix
		WriteSeed(tb, filepath.Join(o.Keyring, file), o.Signing[name].IssuerSeed)
		fmt.Fprintf(&b, "  - kind: %s\n    public_key: %s\n    account: %s\n", issuer.KindSigning, o.Signing[name].Issuer, account)
		if scope != "" {
			fmt.Fprintf(&b, "    scope: %s\n", scope)
		}
		fmt.Fprintf(&b, "    file: %s\n    state: active\n", file)
	}
	if o.cfg.Sealed {
		WriteSeed(tb, filepath.Join(o.Keyring, "xkey"+keyring.SeedSuffix), o.XKey.XKeySeed)
		fmt.Fprintf(&b, "  - {kind: xkey, public_key: %s, file: xkey.nk, state: active}\n", o.XKey.XKey)
	}
	Must(tb, os.WriteFile(filepath.Join(o.Keyring, keyring.StateFile), []byte(b.String()), 0o600))
}

func (o *Operator) serverConfig(tb testing.TB, s *OperatorServer, ports []int) string {
	tb.Helper()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("server_name: %q", s.Name)
	line("listen: 127.0.0.1:%d", s.port)
	line("websocket { listen: \"127.0.0.1:%d\", no_tls: true }", s.port+1)
	line("leafnodes { listen: \"127.0.0.1:%d\" }", s.port+3)
	if len(ports) > 1 {
		var routes []string
		for _, p := range ports {
			routes = append(routes, fmt.Sprintf("\"nats://127.0.0.1:%d\"", p+4))
		}
		line("cluster { name: C, listen: \"127.0.0.1:%d\", routes: [%s] }", s.port+4, strings.Join(routes, ", "))
	} else {
		line("mqtt { listen: \"127.0.0.1:%d\" }", s.port+2)
		line("jetstream { store_dir: %q }", filepath.ToSlash(tb.TempDir()))
	}
	if s.tls != nil {
		cert, key := s.tls.Issue(tb, "localhost")
		line("tls { cert_file: %q, key_file: %q }", filepath.ToSlash(cert), filepath.ToSlash(key))
	}
	line("operator: %q", filepath.ToSlash(filepath.Join(o.JWTDir, "operator.jwt")))
	line("system_account: %s", o.Accounts[SystemAccount])
	if o.cfg.Memory {
		line("resolver: MEMORY")
	} else {
		line("resolver { type: full, dir: %q, interval: \"2s\" }", filepath.ToSlash(filepath.Join(o.Dir, "jwt-"+s.Name)))
	}
	line("resolver_preload {")
	for _, name := range OperatorAccounts() {
		text, err := os.ReadFile(o.accountFile(name))
		Must(tb, err)
		line("  %s: %s", o.Accounts[name], text)
	}
	line("}")
	if !o.cfg.NoSentinel {
		line("default_sentinel: %s", o.SentinelJWT)
	}
	line("authorization { timeout: %g }", o.cfg.Timeout)
	b.WriteString(o.cfg.ServerExtra)
	return b.String()
}

// Start starts the server, again after Stop.
func (s *OperatorServer) Start(tb testing.TB) {
	tb.Helper()
	opts, err := server.ProcessConfigFile(s.file)
	Must(tb, err)
	opts.NoLog, opts.NoSigs = true, true
	devserver.Leave(opts)
	s.srv, err = server.NewServer(opts)
	Must(tb, err)
	s.srv.Start()
	if !s.srv.ReadyForConnections(20 * time.Second) {
		tb.Fatal("nats-server did not become ready")
	}
}

// Stop ends the server and waits until it has.
func (s *OperatorServer) Stop() { devserver.Shutdown(s.srv) }

// AccountOf returns the account that client connection id is in.
func (s *OperatorServer) AccountOf(tb testing.TB, id uint64) string {
	tb.Helper()
	connz, err := s.srv.Connz(&server.ConnzOptions{CID: id, Username: true})
	Must(tb, err)
	if len(connz.Conns) != 1 {
		tb.Fatalf("no connection %d", id)
	}
	return connz.Conns[0].Account
}

// Native returns the server itself.
func (s *OperatorServer) Native() *server.Server { return s.srv }

// URL returns the URL for NATS clients.
func (s *OperatorServer) URL() string {
	scheme := "nats"
	if s.tls != nil {
		scheme = "tls"
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, s.port)
}

// WebSocketURL returns the URL for WebSocket clients.
func (s *OperatorServer) WebSocketURL() string { return fmt.Sprintf("ws://127.0.0.1:%d", s.port+1) }

// MQTTURL returns the URL for MQTT clients; a server of a cluster has none.
func (s *OperatorServer) MQTTURL() string { return fmt.Sprintf("tcp://127.0.0.1:%d", s.port+2) }

// LeafAddr returns host and port for leaf nodes.
func (s *OperatorServer) LeafAddr() string { return fmt.Sprintf("127.0.0.1:%d", s.port+3) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
