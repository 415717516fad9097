package callout_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"usher/callout/callouttest"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the table of docs/reference/compatibility.md")

// The table in docs/reference/compatibility.md is what TestMatrix and TestFeatures hold.
func TestDocs(t *testing.T) {
	callouttest.CheckDocsTable(t, "reference/compatibility.md", "releases", compatibility(t), *update)
}

// testedReleases returns the releases against which CI runs the tests.
func testedReleases(t *testing.T) []release {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "servers", "*", "go.mod"))
	callouttest.Must(t, err)
	if len(files) == 0 {
		t.Fatal("no servers in testdata")
	}
	requirement := regexp.MustCompile(`nats-server/v2 (v\S+)`)
	var releases []release
	for _, file := range files {
		text, err := os.ReadFile(file)
		callouttest.Must(t, err)
		required := requirement.FindSubmatch(text)
		if required == nil {
			t.Fatalf("%s requires no nats-server", file)
		}
		r := releaseOf(t, string(required[1]))
		if line := fmt.Sprintf("%d.%d", r[0], r[1]); filepath.Base(filepath.Dir(file)) != line {
			t.Errorf("%s requires nats-server %s", file, r)
		}
		releases = append(releases, r)
	}
	slices.SortFunc(releases, func(a, b release) int { return slices.Compare(a[:], b[:]) })
	return releases
}

func compatibility(t *testing.T) string {
	t.Helper()
	releases := testedReleases(t)
	var b strings.Builder
	b.WriteString("| what | from |")
	for _, r := range releases {
		fmt.Fprintf(&b, " %s |", r)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(releases)) + "\n")
	row := func(what string, since ...release) {
		from := make([]string, len(since))
		for i, s := range since {
			from[i] = strings.TrimSuffix(s.String(), ".0")
		}
		fmt.Fprintf(&b, "| %s | %s |", what, strings.Join(from, ", "))
		for _, r := range releases {
			word := "yes"
			if !r.has(since...) {
				word = "no"
			}
			fmt.Fprintf(&b, " %s |", word)
		}
		b.WriteByte('\n')
	}
	for _, m := range modes() {
		for _, w := range transports() {
			what := fmt.Sprintf("%s mode, %s", m.name, w.name)
			if m.name == "operator" {
				what = fmt.Sprintf("%s mode, %s, %s", m.name, m.sentinel, w.name)
			}
			row(what, m.from(w))
		}
	}
	for _, f := range features() {
		row(f.name, f.since...)
	}
	return b.String()
}
