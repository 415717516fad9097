package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/config"
)

// Every configuration on the pages of providers loads.
func TestProviderPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/how-to/providers/*.md")
	if err != nil || len(pages) < 11 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	const base = "accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {file: directory.yaml}\n"
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, rest := range strings.Split(string(text), "\n```yaml\n")[1:] {
			block, _, _ := strings.Cut(rest, "\n```\n")
			cfg, err := config.Parse(filepath.Base(page), []byte(base+block+"\n"))
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if len(cfg.Identities.Rules) == 0 {
				t.Errorf("%s: no rule gives anything", page)
			}
			found++
		}
		if found == 0 && filepath.Base(page) != "README.md" {
			t.Errorf("%s has no configuration", page)
		}
	}
}
