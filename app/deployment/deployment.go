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

// Deployment holds connections to the running ushers and to the servers.
type Deployment struct {
	Cfg     *config.Config
	service *nats.Conn // as the service user
	system  *nats.Conn // operator mode, as a user of the system account
	Cluster *operator.Cluster
}

// Open connects as the service user, and in operator mode as the system user too.
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

// OpenSystem connects as the system user only. Before the first push of an account JWT the
// service user may not be able to connect.
func (d *Deployment) OpenSystem() error {
	cfg := d.Cfg
	if cfg.Operator.SystemCredsFile == "" {
		d.Close()
		return &fault.Error{
			Kind: fault.Config, Err: errors.New("operator.system_creds_file is not set"),
			Hint: "set it to the credentials of a user of the system account",
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
			exit.Hint = "run usher nkey on the machine that has the credentials of the system user"
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
			Hint: "usher check says what does not match",
		}
	}
	return nc, nil
}

// reconnectEvery is short, because operators restart servers while a rotation waits.
const reconnectEvery = 250 * time.Millisecond

// Close closes the connections.
func (d *Deployment) Close() {
	for _, nc := range []*nats.Conn{d.service, d.system} {
		if nc != nil {
			nc.Close()
		}
	}
}

// reportWait bounds the time in which running ushers report.
const reportWait = time.Second

// Reports collects a report from each running usher. It waits while the connection is
// down: no answer then would not mean that no usher runs.
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

// urls returns the servers of the configuration and those that they announce.
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

// Rotator returns the rotator of the keyring. report gets one line for each step; sign
// says that account JWTs will be signed, which needs the operator's key.
func (d *Deployment) Rotator(report func(string), wait time.Duration, sign bool) (*rotation.Rotator, error) {
	r := &rotation.Rotator{
		Dir: d.Cfg.Keyring.Dir, Config: assembly.KeyringConfig(d.Cfg), Now: time.Now,
		ReloadTimeout: reloadTimeout, Wait: wait, Progress: report,
		Reports: d.Reports, Probe: d.Expectations, Dependents: d.pinned,
	}
	if d.Cluster == nil {
		return r, nil
	}
	r.Operator = &rotation.Operator{Cluster: d.Cluster, Dir: operator.Dir(d.Cfg.Operator.Dir)}
	if !sign {
		return r, nil
	}
	if d.Cfg.Operator.Dir == "" {
		return nil, &fault.Error{Kind: fault.Config, Err: errors.New("operator.dir is not set"), Hint: "it must be the folder with operator.jwt and the account JWTs"}
	}
	signer, err := OperatorKey(d.Cfg)
	if err != nil {
		return nil, err
	}
	r.Operator.Signer = signer
	return r, nil
}

// DefaultWait is how long a rotation waits until no server uses the old key.
const DefaultWait = time.Minute

// reloadTimeout bounds the time in which running ushers reload the keyring.
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
			Hint: "the operator must sign each change of an account JWT",
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

// OperatorProgram returns the operator's key if a program signs with it.
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

// pinned lists the credentials in the configuration that a key has signed. The key cannot
// be retired before they are replaced.
func (d *Deployment) pinned(public string) []string {
	var all []string
	for _, f := range []struct{ key, path string }{
		{"nats.creds_file", d.Cfg.NATS.CredsFile},
		{"nats.sentinel_creds_file", d.Cfg.NATS.SentinelCredsFile},
		{"operator.system_creds_file", d.Cfg.Operator.SystemCredsFile},
	} {
		text, err := os.ReadFile(f.path)
		if f.path == "" || err != nil {
			continue // the code that needs the file reports it
		}
		if token, err := jwt.ParseDecoratedJWT(text); err == nil && signerOf(token) == public {
			all = append(all, "it has signed "+f.key)
		}
	}
	return all
}
