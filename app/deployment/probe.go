package deployment

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"usher/app/config"
	"usher/app/natsconn"
	"usher/issuer/keyring"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

const (
	// ConnectTimeout bounds one connection to a server.
	ConnectTimeout = 3 * time.Second

	// RequestTimeout bounds an answer of a server, and the request that a probe causes.
	RequestTimeout = 3 * time.Second
)

const probeName = "usher-check-"

// ProbeName returns a unique client name, by which the request of a probe is recognised.
func ProbeName() (string, error) {
	var raw [12]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	return probeName + hex.EncodeToString(raw[:]), nil
}

// probeAt connects with a random token and the sentinel of the configuration. nil means
// that the server accepted the connection.
func probeAt(cfg *config.Config, url, name string) error {
	return ProbeWith(cfg, url, name, cfg.NATS.SentinelCredsFile)
}

// ProbeWith connects with a random token, and with the sentinel in creds unless that is
// empty. The name is separate from the token, because log and audit hide the token.
func ProbeWith(cfg *config.Config, url, name, creds string) error {
	opts, err := natsconn.TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return err
	}
	if creds != "" {
		opts = append(opts, nats.UserCredentials(creds))
	}
	nc, err := nats.Connect(url, append(opts, nats.Token(rand.Text()), nats.Name(name), nats.NoReconnect(), nats.Timeout(ConnectTimeout),
		nats.IgnoreDiscoveredServers())...) // otherwise nats.go would try the next server of the cluster after a refusal
	if err != nil {
		return err
	}
	nc.Close()
	return nil
}

// ReadOperatorSeed reads the seed of an operator or of its signing key.
func ReadOperatorSeed(file string, group bool) (nkeys.KeyPair, error) {
	seed, _, err := keyring.ReadSeed(file, group)
	if err != nil {
		return nil, err
	}
	defer clear(seed)
	return nkeys.FromSeed(seed)
}

// Host returns host and port of a URL.
func Host(url string) string {
	if _, host, ok := strings.Cut(url, "://"); ok {
		return host
	}
	return url
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
