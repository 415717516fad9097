package refusals

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/callout/callouttest"
)

// TestPage: the page that says what to do about refusals has a row for every class.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(callouttest.ModuleRoot(t), "docs", "how-to", "troubleshoot.md"))
	callouttest.Must(t, err)
	_, table, _ := strings.Cut(string(page), "## usher says granted")
	table, _, _ = strings.Cut(table, "\n## ")
	for _, c := range classes() {
		if !strings.Contains(table, "\n| `"+string(c.name)+"` | ") {
			t.Errorf("there is no row for %s", c.name)
		}
	}
	if rows := strings.Count(table, "\n| `"); rows != len(classes())+1 { // and the title
		t.Errorf("%d rows for %d classes", rows-1, len(classes()))
	}
}
