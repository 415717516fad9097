package collector_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/app/config"
	"usher/callout/callouttest"
	"usher/internal/tracing"
)

// TestDocs: docs/how-to/trace.md has every attribute and every step in its order, and its
// configuration is valid.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/how-to/trace.md")
	callouttest.Must(t, err)
	page := string(text)
	for _, key := range tracing.Keys() {
		if !strings.Contains(page, "`"+string(key)+"`") {
			t.Errorf("attribute %s is not documented", key)
		}
	}
	for _, found := range regexp.MustCompile("`((?:usher|nats|client|http)\\.[a-z_.]+)`").FindAllStringSubmatch(page, -1) {
		known := found[1] == "usher.yaml"
		for _, key := range tracing.Keys() {
			known = known || string(key) == found[1]
		}
		if !known {
			t.Errorf("%s is documented, and no attribute", found[1])
		}
	}
	rest := page
	for _, name := range append([]string{tracing.SpanAuthorize}, tracing.StepNames()...) {
		_, after, found := strings.Cut(rest, "\n| `"+name+"` | ")
		if !found {
			t.Fatalf("span %s is not documented, or not in order", name)
		}
		rest = after
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(page)
	cfg, err := config.Parse("usher.yaml", []byte("accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: keys}\ndirectory: {file: directory.yaml}\n"+example[1]))
	callouttest.Must(t, err)
	if cfg.Tracing.Endpoint != "http://127.0.0.1:4318" || cfg.Tracing.Share != 1 {
		t.Errorf("the example is %+v", cfg.Tracing)
	}
}
