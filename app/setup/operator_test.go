package setup_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"usher/app/config"
	"usher/app/setup"
	"usher/issuer"
	"usher/issuer/keyring"
)

// installation is an installation of operator mode, as usher and nats-server read it.
type installation struct {
	dir      string
	cfg      *config.Config
	keys     *issuer.Keyring
	server   *server.Options
	operator *jwt.OperatorClaims
	accounts map[string]*jwt.AccountClaims
}

func newInstallation(t *testing.T) *installation {
	t.Helper()
	s := &installation{dir: filepath.Join(t.TempDir(), "a site"), accounts: map[string]*jwt.AccountClaims{}}
	write(t, setup.Options{Dir: s.dir, Operator: true, Listen: "127.0.0.1:4222", Now: time.Unix(1700000000, 0)})
	var err error
	if s.cfg, err = config.Load(filepath.Join(s.dir, setup.FileConfig)); err != nil {
		t.Fatal(err)
	}
	if s.keys, err = keyring.Load(s.cfg.Keyring.Dir, keyring.Config{Callout: s.cfg.Accounts.Callout, System: s.cfg.Accounts.System}); err != nil {
		t.Fatal(err)
	}
	if s.server, err = server.ProcessConfigFile(filepath.Join(s.dir, setup.FileServerConfig)); err != nil {
		t.Fatal(err)
	}
	if s.operator, err = jwt.DecodeOperatorClaims(s.read(t, setup.FileOperator)); err != nil {
		t.Fatal(err)
	}
	for _, a := range s.keys.Accounts() {
		c, err := jwt.DecodeAccountClaims(s.read(t, setup.DirAccounts+"/"+a.Name+".jwt"))
		if err != nil {
			t.Fatal(err)
		}
		s.accounts[a.Name] = c
		if c.Subject != a.PublicKey || c.Name != a.Name {
			t.Errorf("account %s is %s in the keyring", c.Name, a.Name)
		}
	}
	return s
}

func (s *installation) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// seed returns the public key of a seed file.
func (s *installation) seed(t *testing.T, name string) string {
	t.Helper()
	kp, err := nkeys.FromSeed([]byte(strings.TrimSpace(s.read(t, name))))
	if err != nil {
		t.Fatal(err)
	}
	public, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// user returns the user of a .creds file.
func (s *installation) user(t *testing.T, name string) *jwt.UserClaims {
	t.Helper()
	creds := s.read(t, name)
	text, err := jwt.ParseDecoratedJWT([]byte(creds))
	if err != nil {
		t.Fatal(err)
	}
	c, err := jwt.DecodeUserClaims(text)
	if err != nil {
		t.Fatal(err)
	}
	kp, err := jwt.ParseDecoratedUserNKey([]byte(creds))
	if err != nil {
		t.Fatal(err)
	}
	if public, err := kp.PublicKey(); err != nil || public != c.Subject {
		t.Errorf("%s: the seed is that of %s, the JWT that of %s", name, public, c.Subject)
	}
	return c
}

// TestOperatorChain: every JWT is signed by the right key.
func TestOperatorChain(t *testing.T) {
	s := newInstallation(t)
	signing := s.seed(t, setup.FileOperatorSigning)
	if identity := s.seed(t, setup.FileOperatorKey); s.operator.Subject != identity || s.operator.Issuer != identity {
		t.Errorf("operator %s, signed by %s", s.operator.Subject, s.operator.Issuer)
	}
	if !slices.Equal(s.operator.SigningKeys, jwt.StringList{signing}) || s.operator.SystemAccount != s.accounts[setup.AccountSystem].Subject {
		t.Errorf("operator %+v", s.operator)
	}
	for name, c := range s.accounts {
		if c.Issuer != signing || !s.operator.DidSign(c) {
			t.Errorf("%s is signed by %s", name, c.Issuer)
		}
		if identity := s.seed(t, setup.DirIdentity+"/"+name+".nk"); c.Subject != identity {
			t.Errorf("%s has another identity key", name)
		}
	}
	for name, account := range map[string]string{
		setup.FileServiceCreds: setup.AccountCallout, setup.FileSentinelCreds: setup.AccountCallout, setup.FileSystemCreds: setup.AccountSystem,
	} {
		if c := s.user(t, name); c.Issuer != s.accounts[account].Subject {
			t.Errorf("%s is signed by %s, not by the identity key of %s", name, c.Issuer, account)
		}
	}
	for _, k := range s.keys.Keys() {
		if k.State != issuer.StateActive || k.Since.Unix() != 1700000000 {
			t.Errorf("%+v", k)
		}
		if k.Kind == issuer.KindSigning && !slices.Equal(s.accounts[k.Account].SigningKeys.Keys(), []string{k.PublicKey}) {
			t.Errorf("%s signs for %s, which has %v", k.PublicKey, k.Account, s.accounts[k.Account].SigningKeys)
		}
	}
	if n := len(s.keys.Signers()); n != 4 {
		t.Errorf("%d signing keys, not 4", n)
	}
}

// TestOperatorAccounts: the accounts contain what they should, and jwt/v2 reports no
// issue.
func TestOperatorAccounts(t *testing.T) {
	s := newInstallation(t)
	claims := []jwt.Claims{s.operator}
	for _, c := range s.accounts {
		claims = append(claims, c)
	}
	sentinel := s.user(t, setup.FileSentinelCreds)
	for _, c := range append(claims, sentinel, s.user(t, setup.FileServiceCreds), s.user(t, setup.FileSystemCreds)) {
		vr := jwt.CreateValidationResults()
		c.Validate(vr)
		for _, issue := range vr.Issues {
			t.Errorf("%s: %s", c.Claims().Name, issue.Description)
		}
	}
	var clients []string
	for _, name := range []string{setup.AccountApp, setup.AccountIngest, setup.AccountHealth} {
		clients = append(clients, s.accounts[name].Subject)
	}
	a := s.accounts[setup.AccountCallout].Authorization
	if !slices.Equal(a.AuthUsers, jwt.StringList{s.user(t, setup.FileServiceCreds).Subject}) || !slices.Equal(a.AllowedAccounts, clients) || a.XKey != s.keys.XKeys()[0].PublicKey() {
		t.Errorf("external authorization %+v", a)
	}
	deny := jwt.Permission{Deny: jwt.StringList{">"}}
	if !sentinel.BearerToken || !slices.Equal(sentinel.Pub.Deny, deny.Deny) || !slices.Equal(sentinel.Sub.Deny, deny.Deny) {
		t.Errorf("sentinel %+v", sentinel)
	}
	for name, c := range s.accounts {
		if on := c.Limits.IsJSEnabled(); on != (name == setup.AccountApp) {
			t.Errorf("%s: JetStream %t", name, on)
		}
		if external := c.HasExternalAuthorization(); external != (name == setup.AccountCallout) {
			t.Errorf("%s: external authorization %t", name, external)
		}
	}
	from, to := s.accounts[setup.AccountIngest].Exports, s.accounts[setup.AccountApp].Imports
	if len(from) != 1 || len(to) != 1 || from[0].Subject != "habitat.event.>" || to[0].Subject != "habitat.event.>" || !from[0].TokenReq || to[0].Token == "" {
		t.Errorf("exports %+v, imports %+v", from, to)
	}
}

// TestOperatorServer: nats-server.conf agrees with the other files, and needs none of
// them.
func TestOperatorServer(t *testing.T) {
	s := newInstallation(t)
	o := s.server
	if len(o.TrustedOperators) != 1 || o.TrustedOperators[0].Subject != s.operator.Subject || o.SystemAccount != s.operator.SystemAccount {
		t.Errorf("operator %v, system account %s", o.TrustedOperators, o.SystemAccount)
	}
	if o.AuthTimeout != 3 || !o.JetStream || filepath.Dir(o.StoreDir) != s.dir {
		t.Errorf("timeout %g, JetStream %t in %s", o.AuthTimeout, o.JetStream, o.StoreDir)
	}
	sentinel, err := jwt.DecodeUserClaims(o.DefaultSentinel)
	if err != nil || sentinel.Subject != s.user(t, setup.FileSentinelCreds).Subject {
		t.Errorf("default sentinel %+v, %v", sentinel, err)
	}
	text := s.read(t, setup.FileServerConfig)
	for name, c := range s.accounts {
		if line := "\n  " + c.Subject + ": " + s.read(t, setup.DirAccounts+"/"+name+".jwt") + "\n"; !strings.Contains(text, line) {
			t.Errorf("account %s is not preloaded", name)
		}
	}
	if len(s.accounts) != 5 || strings.Contains(text, setup.DirOperator+"/operator.jwt\"") {
		t.Errorf("%d accounts", len(s.accounts))
	}
	if _, err := os.Stat(filepath.Join(s.dir, setup.DirResolver)); err != nil {
		t.Errorf("the resolver's folder: %v", err)
	}
}

// TestOperatorConfig: usher.yaml names files that exist.
func TestOperatorConfig(t *testing.T) {
	s := newInstallation(t)
	if s.cfg.NATS.Mode != config.ModeOperator {
		t.Errorf("mode %s", s.cfg.NATS.Mode)
	}
	for _, path := range []string{
		s.cfg.NATS.CredsFile, s.cfg.NATS.SentinelCredsFile, s.cfg.Operator.Dir, s.cfg.Operator.SigningKeyFile,
		s.cfg.Operator.SystemCredsFile, s.cfg.Keyring.Dir, s.cfg.Directory.File,
	} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if text := s.read(t, setup.FileConfig); !strings.HasPrefix(text, "# Made by \"usher init --operator\"") || !strings.Contains(text, setup.DirIdentity+"/") {
		t.Error("usher.yaml does not name the folder to move away")
	}
}
