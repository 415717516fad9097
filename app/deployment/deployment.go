package deployment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"usher/callout/keyusage"
	"usher/internal/fault"
	"usher/internal/secretfile"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/assembly"
	"usher/app/config"
	"usher/app/natsconn"
	"usher/app/rotation"
	"usher/issuer"
	"usher/issuer/keyring"
	"usher/issuer/operator"
)

// Deployment is what the verbs of "usher nkey" ask: the running ushers and the servers.
type Deployment struct {
	Cfg     *config.Config
	service *nats.Conn // as the service user
	system  *nats.Conn // operator mode, as a user of the system account
	Cluster *operator.Cluster
}

// Open connects. What the configuration lacks for that is said.
func Open(cfg *config.Config) (*Deployment, error) {
	d := &Deployment{Cfg: cfg}
	opts, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return nil, fault.InConfig(err)
	}
	if d.service, err = d.connect("service", opts); err != nil {
		return nil, err
	}
	if cfg.NATS.Mode != config.ModeOperator {
		return d, nil
	}
	return d, d.OpenSystem()
}

// OpenSystem connects as the user of the system account alone: a push may be what
// lets the service user in.
func (d *Deployment) OpenSystem() error {
	cfg := d.Cfg
	if cfg.Operator.SystemCredsFile == "" {
		d.Close()
		return &fault.Error{
			Kind: fault.Config, Err: errors.New("operator.system_creds_file is not set"),
			Hint: "in operator mode the servers are asked as a user of the system account",
		}
	}
	opts, err := natsconn.TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		d.Close()
		return fault.InConfig(err)
	}
	if err := secretfile.CheckSecret(cfg.Operator.SystemCredsFile, cfg.Keyring.AllowGroupReadable); err != nil {
		d.Close()
		e := fault.InConfig(fmt.Errorf("operator.system_creds_file: %w", err))
		var exit *fault.Error
		if errors.As(e, &exit) && exit.Hint == "" {
			exit.Hint = "usher nkey has to run where the system user's credentials are"
		}
		return e
	}
	d.system, err = d.connect("system", append(opts, nats.UserCredentials(cfg.Operator.SystemCredsFile)))
	if err != nil {
		d.Close()
		return err
	}
	d.Cluster = operator.NewCluster(d.system, 0)
	return nil
}

func (d *Deployment) connect(who string, opts []nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(natsconn.URLs(d.Cfg), append(opts, nats.Name("usher-nkey-"+who), nats.Timeout(ConnectTimeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectEvery),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return nil, &fault.Error{
			Kind: fault.Runtime, Err: fmt.Errorf("connect as the %s user to %s: %w", who, natsconn.URLs(d.Cfg), err),
			Hint: "usher check says what does not fit",
		}
	}
	return nc, nil
}

// reconnectEvery is short, because servers are restarted while a rotation waits.
const reconnectEvery = 250 * time.Millisecond

func (d *Deployment) Close() {
	for _, nc := range []*nats.Conn{d.service, d.system} {
		if nc != nil {
			nc.Close()
		}
	}
}

// reportWait is how long running ushers may take to report.
const reportWait = time.Second

// Reports asks the running ushers. While the connection is being made again nobody
// can be asked, which is not the same as nobody being there.
func (d *Deployment) Reports(ctx context.Context) ([]keyusage.Report, error) {
	for !d.service.IsConnected() {
		t := time.NewTimer(reconnectEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
	return keyusage.Collect(ctx, d.service, reportWait)
}

// urls returns every server that is known: those of the configuration, and those
// that they know of.
func (d *Deployment) urls() []string {
	urls := slices.Clone(d.Cfg.NATS.URLs)
	hosts := map[string]bool{}
	for _, u := range urls {
		hosts[Host(u)] = true
	}
	for _, u := range d.service.DiscoveredServers() {
		if !hosts[Host(u)] {
			hosts[Host(u)] = true
			urls = append(urls, u)
		}
	}
	return urls
}

// Rotator returns what changes the keyring of a configuration. change says that
// account JWTs are to be signed.
func (d *Deployment) Rotator(say func(string), wait time.Duration, change bool) (*rotation.Rotator, error) {
	r := &rotation.Rotator{
		Dir: d.Cfg.Keyring.Dir, Config: assembly.KeyringConfig(d.Cfg), Now: time.Now,
		ReloadTimeout: reloadTimeout, Wait: wait, Progress: say,
		Reports: d.Reports, Probe: d.Expectations, Dependents: d.pinned,
	}
	if d.Cluster == nil {
		return r, nil
	}
	r.Operator = &rotation.Operator{Cluster: d.Cluster, Dir: operator.Dir(d.Cfg.Operator.Dir)}
	if !change {
		return r, nil
	}
	if d.Cfg.Operator.Dir == "" {
		return nil, &fault.Error{Kind: fault.Config, Err: errors.New("operator.dir is not set"), Hint: "it holds operator.jwt and the account JWTs, which are changed here"}
	}
	signer, err := OperatorKey(d.Cfg)
	if err != nil {
		return nil, err
	}
	r.Operator.Signer = signer
	return r, nil
}

// DefaultWait is how long a rotation waits for an old key to fall out of use.
const DefaultWait = time.Minute

// reloadTimeout is how long running ushers may take to read the keyring again.
const reloadTimeout = 45 * time.Second

// OperatorKey reads the key that signs account JWTs.
func OperatorKey(cfg *config.Config) (nkeys.KeyPair, error) {
	if len(cfg.Operator.SigningCommand) > 0 {
		return OperatorProgram(cfg)
	}
	path := cfg.Operator.SigningKeyFile
	if path == "" {
		return nil, &fault.Error{
			Kind: fault.Config, Err: errors.New("neither operator.signing_key_file nor operator.signing_command is set"),
			Hint: "a change of an account JWT has to be signed by the operator",
		}
	}
	kp, err := ReadOperatorSeed(path, cfg.Keyring.AllowGroupReadable)
	if err != nil {
		return nil, fault.InConfig(fmt.Errorf("operator.signing_key_file: %w", err))
	}
	if public, err := kp.PublicKey(); err != nil || nkeys.Prefix(public) != nkeys.PrefixByteOperator {
		return nil, fault.InConfig(fmt.Errorf("operator.signing_key_file: %w", operator.ErrNotOperator))
	}
	return kp, nil
}

// OperatorProgram returns the operator's key that a program signs with.
func OperatorProgram(cfg *config.Config) (nkeys.KeyPair, error) {
	if err := keyring.CheckProgram(cfg.Operator.SigningCommand); err != nil {
		return nil, fault.InConfig(fmt.Errorf("operator.signing_command: %w", err))
	}
	s, err := issuer.NewCommand(cfg.Operator.SigningPublicKey, cfg.Operator.SigningCommand)
	if err != nil {
		return nil, fault.InConfig(fmt.Errorf("operator.signing_command: %w", err))
	}
	kp, err := operator.ExternalKey(context.Background(), s) // each signature has an end of its own
	if err != nil {
		return nil, fault.InConfig(fmt.Errorf("operator.signing_public_key: %w", err))
	}
	return kp, nil
}

// pinned lists the credentials of the configuration that a key has signed.
func (d *Deployment) pinned(public string) []string {
	var all []string
	for _, f := range []struct{ key, path string }{
		{"nats.creds_file", d.Cfg.NATS.CredsFile},
		{"nats.sentinel_creds_file", d.Cfg.NATS.SentinelCredsFile},
		{"operator.system_creds_file", d.Cfg.Operator.SystemCredsFile},
	} {
		text, err := os.ReadFile(f.path)
		if f.path == "" || err != nil {
			continue // whoever needs it says so
		}
		if token, err := jwt.ParseDecoratedJWT(text); err == nil && signerOf(token) == public {
			all = append(all, "it has signed "+f.key)
		}
	}
	return all
}
