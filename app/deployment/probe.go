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
	// connectTimeout is how long one connection to a server may take.
	ConnectTimeout = 3 * time.Second

	// requestTimeout is how long a server may take to answer, or to ask usher about a probe.
	RequestTimeout = 3 * time.Second
)

const probeName = "usher-check-"

// ProbeName returns a name for a client that knocks, by which its request is known.
func ProbeName() (string, error) {
	var raw [12]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	return probeName + hex.EncodeToString(raw[:]), nil
}

// knockAt connects with a made-up token, and the sentinel of the configuration; nil
// means that it got in.
func knockAt(cfg *config.Config, url, name string) error {
	return ProbeWith(cfg, url, name, cfg.NATS.SentinelCredsFile)
}

// ProbeWith connects with a made-up token, and a sentinel if there is one. The name is
// no part of the token: what was presented is hidden in log and audit.
func ProbeWith(cfg *config.Config, url, name, creds string) error {
	opts, err := natsconn.TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return err
	}
	if creds != "" {
		opts = append(opts, nats.UserCredentials(creds))
	}
	nc, err := nats.Connect(url, append(opts, nats.Token(rand.Text()), nats.Name(name), nats.NoReconnect(), nats.Timeout(ConnectTimeout),
		nats.IgnoreDiscoveredServers())...) // refused here, nats.go would knock at the next server of the cluster
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
