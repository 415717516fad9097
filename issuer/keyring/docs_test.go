package keyring_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"usher/issuer/keyring"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every keyring.yaml in the documentation is valid. With the public keys of real seeds it
// loads.
func TestDocs(t *testing.T) {
	for name, examples := range map[string]int{"reference/keyring.md": 2, "how-to/sign-elsewhere.md": 1} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", filepath.FromSlash(name)))
		must(t, err)
		blocks := yamlBlock.FindAllStringSubmatch(string(text), -1)
		if len(blocks) != examples {
			t.Errorf("%s has %d examples", name, len(blocks))
		}
		for i, block := range blocks {
			cfg := keyring.Config{}
			if strings.Contains(block[1], "accounts:") {
				cfg.Callout, cfg.System = "AUTH", "SYS"
			}
			s, err := keyring.ParseState("keyring.yaml", []byte(block[1]), cfg)
			if err != nil {
				t.Errorf("%s, example %d: %v", name, i, err)
				continue
			}
			dir, example := t.TempDir(), block[1]
			for _, e := range s.Keys {
				if e.File == "" {
					continue
				}
				prefix := nkeys.PrefixByteAccount
				if e.Kind == "xkey" {
					prefix = nkeys.PrefixByteCurve
				}
				seed, public := seedOf(t, prefix)
				must(t, keyring.WriteSeed(filepath.Join(dir, e.File), []byte(seed), keyring.Config{}))
				example = strings.ReplaceAll(example, e.PublicKey, public)
			}
			writeFile(t, filepath.Join(dir, keyring.StateFile), example, 0o600)
			if _, err := keyring.Load(dir, cfg); err != nil {
				t.Errorf("%s, example %d: %v", name, i, err)
			}
		}
	}
}
