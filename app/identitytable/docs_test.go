package identitytable

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/app/config"
	"usher/callout/callouttest"
)

// blocks returns the YAML of a page of the documentation.
func blocks(t *testing.T, page string) []string {
	t.Helper()
	data, err := os.ReadFile("../../docs/" + page)
	callouttest.Must(t, err)
	var all []string
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(data, -1) {
		all = append(all, string(m[1]))
	}
	return all
}

// parseConfig parses a section identities.
func parseConfig(t *testing.T, section string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("usher.yaml", []byte("accounts: {callout: AUTH, system: SYS, ingest: APP}\nkeyring: {dir: keys}\ndirectory: {file: d.yaml}\n"+section))
	callouttest.Must(t, err)
	return cfg
}

// The guide's table passes with the guide's rules and directory, and prints what the guide
// says.
func TestGuide(t *testing.T) {
	page := blocks(t, "how-to/identities.md")
	if len(page) != 3 {
		t.Fatalf("%d blocks", len(page))
	}
	in := inputs(t, parseConfig(t, page[0]), page[1])
	cases, err := parse("table.yaml", []byte(page[2]), nil)
	callouttest.Must(t, err)
	if len(cases) != 4 {
		t.Errorf("%d cases", len(cases))
	}
	for _, r := range Run(t.Context(), in, cases) {
		if !r.Passed {
			t.Errorf("%s: %+v", r.Name, r.Differences)
		}
	}
}

func TestReference(t *testing.T) {
	for _, block := range blocks(t, "reference/identities.md") {
		if strings.HasPrefix(block, "identities:") {
			parseConfig(t, block)
			return
		}
	}
	t.Error("no example")
}
