package assembly

import (
	"testing"

	"github.com/nats-io/nkeys"

	"usher/app/config"
	"usher/callout/callouttest"
	"usher/issuer"
)

// What is set aside counts everything that opens descriptors when it is needed.
//
// Attack: a flood of connections to the API leaves no descriptors for a project's account to be made or closed with
// Held by: descriptors for that request's connections, files and signing program are set aside from the listeners
func TestFilesSetAside(t *testing.T) {
	t.Parallel()
	kp, err := nkeys.CreateAccount()
	callouttest.Must(t, err)
	public, err := kp.PublicKey()
	callouttest.Must(t, err)
	signs := func(argv ...string) *issuer.Keyring {
		signer, err := issuer.NewCommand(public, argv)
		callouttest.Must(t, err)
		k, err := issuer.NewKeyring([]issuer.LoadedKey{{Key: issuer.Key{Kind: issuer.KindIssuer, PublicKey: public, State: issuer.StateActive, Command: argv}, Signer: signer}}, nil)
		callouttest.Must(t, err)
		return k
	}
	set := func(change func(cfg *config.Config)) uint64 {
		cfg := config.Default()
		cfg.NATS.Connections, cfg.Callout.Workers = 1, 2
		change(&cfg)
		n, err := ShareDescriptors(&cfg, signs("sign"), 1<<20)
		callouttest.Must(t, err)
		return n.Reserved
	}
	base := set(func(*config.Config) {})
	if want := uint64(filesBase + 2*2 + 2*filesProgram); base != want {
		t.Errorf("set aside: %d, want %d", base, want)
	}
	for name, tt := range map[string]struct {
		more   uint64
		change func(cfg *config.Config)
	}{
		"a connection more":              {2, func(cfg *config.Config) { cfg.NATS.Connections++ }},
		"a store":                        {filesEmbedded, func(cfg *config.Config) { cfg.Directory.From = config.DirectoryEmbedded }},
		"accounts":                       {4 + filesAccounts, func(cfg *config.Config) { cfg.Operator.CreateAccounts = true }},
		"a program that is used by hand": {0, func(cfg *config.Config) { cfg.Operator.SigningCommand = []string{"sign"} }},
		"accounts that a program is asked about": {4 + filesAccounts + filesProgram, func(cfg *config.Config) {
			cfg.Operator.CreateAccounts, cfg.Operator.SigningCommand = true, []string{"sign"}
		}},
	} {
		if got := set(tt.change); got != base+tt.more {
			t.Errorf("%s: %d more, want %d", name, got-base, tt.more)
		}
	}
}
