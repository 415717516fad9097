package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/callout"
	"usher/config"
	"usher/issuer"
	"usher/keyring"
	"usher/operator"
	"usher/rotation"
)

// live is what the verbs of "usher nkey" ask: the running ushers and the servers.
type live struct {
	cfg     *config.Config
	service *nats.Conn // as the service user
	system  *nats.Conn // operator mode, as a user of the system account
	cluster *operator.Cluster
}

// openLive connects. What the configuration lacks for that is said.
func openLive(cfg *config.Config) (*live, error) {
	l := &live{cfg: cfg}
	opts, err := serviceOptions(cfg)
	if err != nil {
		return nil, configError(err)
	}
	if l.service, err = l.connect("service", opts); err != nil {
		return nil, err
	}
	if cfg.NATS.Mode != config.ModeOperator {
		return l, nil
	}
	return l, l.openSystem()
}

// openSystem connects as the user of the system account alone: a push may be what
// lets the service user in.
func (l *live) openSystem() error {
	cfg := l.cfg
	if cfg.Operator.SystemCredsFile == "" {
		l.close()
		return &exitError{
			code: exitConfig, err: errors.New("operator.system_creds_file is not set"),
			hint: "in operator mode the servers are asked as a user of the system account",
		}
	}
	opts, err := tlsOptions(&cfg.NATS.TLS)
	if err != nil {
		l.close()
		return configError(err)
	}
	if err := checkCreds(cfg.Operator.SystemCredsFile, cfg.Keyring.AllowGroupReadable); err != nil {
		l.close()
		e := configError(fmt.Errorf("operator.system_creds_file: %w", err))
		var exit *exitError
		if errors.As(e, &exit) && exit.hint == "" {
			exit.hint = "usher nkey has to run where the system user's credentials are"
		}
		return e
	}
	l.system, err = l.connect("system", append(opts, nats.UserCredentials(cfg.Operator.SystemCredsFile)))
	if err != nil {
		l.close()
		return err
	}
	l.cluster = operator.NewCluster(l.system, 0)
	return nil
}

func (l *live) connect(who string, opts []nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(natsURLs(l.cfg), append(opts, nats.Name("usher-nkey-"+who), nats.Timeout(checkConnect),
		nats.MaxReconnects(-1), nats.ReconnectWait(reconnectEvery),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return nil, &exitError{
			code: exitRuntime, err: fmt.Errorf("connect as the %s user to %s: %w", who, natsURLs(l.cfg), err),
			hint: "usher check says what does not fit",
		}
	}
	return nc, nil
}

// reconnectEvery is short, because servers are restarted while a rotation waits.
const reconnectEvery = 250 * time.Millisecond

func (l *live) close() {
	for _, nc := range []*nats.Conn{l.service, l.system} {
		if nc != nil {
			nc.Close()
		}
	}
}

// reportWait is how long running ushers may take to report.
const reportWait = time.Second

// reports asks the running ushers. While the connection is being made again nobody
// can be asked, which is not the same as nobody being there.
func (l *live) reports(ctx context.Context) ([]callout.Report, error) {
	for !l.service.IsConnected() {
		t := time.NewTimer(reconnectEvery)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
	return callout.Reports(ctx, l.service, reportWait)
}

// urls returns every server that is known: those of the configuration, and those
// that they know of.
func (l *live) urls() []string {
	urls := slices.Clone(l.cfg.NATS.URLs)
	hosts := map[string]bool{}
	for _, u := range urls {
		hosts[hostOf(u)] = true
	}
	for _, u := range l.service.DiscoveredServers() {
		if !hosts[hostOf(u)] {
			hosts[hostOf(u)] = true
			urls = append(urls, u)
		}
	}
	return urls
}

func hostOf(url string) string {
	if _, host, ok := strings.Cut(url, "://"); ok {
		return host
	}
	return url
}

// rotator returns what changes the keyring of a configuration. change says that
// account JWTs are to be signed.
func (l *live) rotator(say func(string), wait time.Duration, change bool) (*rotation.Rotator, error) {
	r := &rotation.Rotator{
		Dir: l.cfg.Keyring.Dir, Config: keyringConfig(l.cfg), Now: time.Now,
		PickUp: pickUp, Wait: wait, Say: say,
		Reports: l.reports, Expecting: l.expecting, Pinned: l.pinned,
	}
	if l.cluster == nil {
		return r, nil
	}
	r.Operator = &rotation.Operator{Cluster: l.cluster, Dir: operator.Dir(l.cfg.Operator.Dir)}
	if !change {
		return r, nil
	}
	if l.cfg.Operator.Dir == "" {
		return nil, &exitError{code: exitConfig, err: errors.New("operator.dir is not set"), hint: "it holds operator.jwt and the account JWTs, which are changed here"}
	}
	signer, err := operatorKey(l.cfg)
	if err != nil {
		return nil, err
	}
	r.Operator.Signer = signer
	return r, nil
}

// pickUp is how long running ushers may take to read the keyring again.
const pickUp = 45 * time.Second

// operatorKey reads the key that signs account JWTs.
func operatorKey(cfg *config.Config) (nkeys.KeyPair, error) {
	path := cfg.Operator.SigningKeyFile
	if path == "" {
		return nil, &exitError{
			code: exitConfig, err: errors.New("operator.signing_key_file is not set"),
			hint: "a change of an account JWT has to be signed by the operator",
		}
	}
	seed, _, err := keyring.ReadSeed(path, cfg.Keyring.AllowGroupReadable)
	if err != nil {
		return nil, configError(fmt.Errorf("operator.signing_key_file: %w", err))
	}
	defer clear(seed)
	kp, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, configError(fmt.Errorf("operator.signing_key_file: %w", err))
	}
	if public, err := kp.PublicKey(); err != nil || nkeys.Prefix(public) != nkeys.PrefixByteOperator {
		return nil, configError(fmt.Errorf("operator.signing_key_file: %w", operator.ErrNotOperator))
	}
	return kp, nil
}

// pinned lists the credentials of the configuration that a key has signed.
func (l *live) pinned(public string) []string {
	var all []string
	for _, f := range []struct{ key, path string }{
		{"nats.creds_file", l.cfg.NATS.CredsFile},
		{"nats.sentinel_creds_file", l.cfg.NATS.SentinelFile},
		{"operator.system_creds_file", l.cfg.Operator.SystemCredsFile},
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

// expecting knocks at every server, and looks at the requests that this causes. In
// operator mode a client without a sentinel shows the server's own; where it has none
// that is nobody's, the sentinel of the configuration is brought.
func (l *live) expecting(ctx context.Context) ([]rotation.Expectation, error) {
	keys, err := loadKeyring(l.cfg)
	if err != nil {
		return nil, err
	}
	bare := *l.cfg
	bare.NATS.SentinelFile = ""
	var all []rotation.Expectation
	for _, url := range l.urls() {
		x, err := l.knock(ctx, &bare, url, keys)
		if err == nil && x.Issuer == "" && l.cfg.NATS.SentinelFile != "" {
			x, err = l.knock(ctx, l.cfg, url, keys)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, x)
	}
	return all, nil
}

// settled is how long a request may be under way whose client was refused already.
const settled = 500 * time.Millisecond

func (l *live) knock(ctx context.Context, cfg *config.Config, url string, keys *issuer.Keyring) (rotation.Expectation, error) {
	x := rotation.Expectation{URL: url}
	seen := make(chan *nats.Msg, 256)
	sub, err := l.service.ChanSubscribe(callout.Subject, seen)
	if err != nil {
		return x, fmt.Errorf("look at requests: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if err := l.service.FlushTimeout(checkRequest); err != nil {
		x.Problem = "the connection to NATS is away: " + err.Error()
		return x, nil
	}
	name, err := knockName()
	if err != nil {
		return x, err
	}
	result := make(chan error, 1)
	go func() { result <- knockAt(cfg, url, name) }()
	timeout := time.NewTimer(checkRequest)
	defer timeout.Stop()
	x.Problem = "a client knocked, and the server did not ask"
	for {
		select {
		case m := <-seen:
			sight := callout.Inspect(m, keys, time.Now())
			if sight.Client != name && sight.Issuer != "" {
				continue
			}
			if sight.Issuer == "" { // it may be another server's
				x.Problem = sight.Cause
				continue
			}
			x.Server, x.Issuer, x.XKey, x.Problem = sight.ServerName, sight.Issuer, sight.XKey, sight.Cause
			x.Sentinel = signerOf(sight.Sentinel)
			return x, nil
		case err := <-result:
			result = nil
			switch {
			case errors.Is(err, nats.ErrNoServers), stalled(err):
				x.Problem = err.Error()
				return x, nil
			case errors.Is(err, nats.ErrAuthorization): // its request has come, or there is none
				timeout.Reset(settled)
			}
		case <-timeout.C:
			return x, nil
		case <-ctx.Done():
			return x, ctx.Err()
		}
	}
}

// signerOf returns the key that signed a user JWT; empty: there is none.
func signerOf(text string) string {
	if text == "" {
		return ""
	}
	c, err := jwt.DecodeUserClaims(text)
	if err != nil {
		return ""
	}
	return c.Issuer
}
