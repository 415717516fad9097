package callouttest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/issuer/keyring"
)

// Keys are an issuer and an xkey: seeds and public keys.
type Keys struct {
	IssuerSeed, Issuer string
	XKeySeed, XKey     string
}

// NewKeys creates an issuer and an xkey.
func NewKeys(tb testing.TB) Keys {
	tb.Helper()
	var k Keys
	k.IssuerSeed, k.Issuer = NewSeed(tb, nkeys.PrefixByteAccount)
	k.XKeySeed, k.XKey = NewSeed(tb, nkeys.PrefixByteCurve)
	return k
}

// NewSeed creates a key of any kind, and returns its seed and its public key.
func NewSeed(tb testing.TB, prefix nkeys.PrefixByte) (seed, public string) {
	tb.Helper()
	kp, err := nkeys.CreatePair(prefix)
	if prefix == nkeys.PrefixByteCurve {
		kp, err = nkeys.CreateCurveKeys()
	}
	Must(tb, err)
	return encode(tb, kp)
}

func encode(tb testing.TB, kp nkeys.KeyPair) (seed, public string) {
	tb.Helper()
	s, err := kp.Seed()
	Must(tb, err)
	public, err = kp.PublicKey()
	Must(tb, err)
	return string(s), public
}

// KeyringDir creates a keyring directory with the seeds of keys and returns its path.
// It contains the xkeys only if sealed.
func KeyringDir(tb testing.TB, sealed bool, keys ...Keys) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, k := range keys {
		WriteSeed(tb, filepath.Join(dir, "issuer-"+k.Issuer[:8]+keyring.SeedSuffix), k.IssuerSeed)
		if sealed {
			WriteSeed(tb, filepath.Join(dir, "xkey-"+k.XKey[:8]+keyring.SeedSuffix), k.XKeySeed)
		}
	}
	return dir
}

// WriteSeed writes a seed file with mode 0600.
func WriteSeed(tb testing.TB, path, seed string) {
	tb.Helper()
	Must(tb, os.WriteFile(path, []byte(seed+"\n"), 0o600))
}

// Must ends the test if err is not nil.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
