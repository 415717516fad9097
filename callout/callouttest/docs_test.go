package callouttest_test

import (
	"flag"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"usher/callout/callouttest"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the table of docs/reference/attacks.md")

// The table of attacks in docs/reference/attacks.md is made from the comments of tests.
func TestDocs(t *testing.T) {
	attacks, err := attacksBelow(os.DirFS(callouttest.ModuleRoot(t)))
	callouttest.Must(t, err)
	callouttest.CheckDocsTable(t, "reference/attacks.md", "attacks", attackTable(attacks), *update)
}

// Attacks are found, merged and sorted. A misplaced line is an error.
func TestAttacks(t *testing.T) {
	const (
		head  = "package x\n\nimport \"testing\"\n\n"
		lines = "// Attack: a key | of *\n// Held by: _nothing_, `a_b`\n"
		tail  = "func TestX(t *testing.T) {}\n"
		row   = "| a key \\| of \\* | \\_nothing\\_, `a_b` | `TestX` in a/x |\n"
	)
	for name, c := range map[string]struct{ text, want string }{
		"a test":                   {head + "// TestX tests.\n//\n" + lines + "//\n// And more.\n" + tail, row},
		"a fuzz target":            {head + lines + "func FuzzX(f *testing.F) {}\n", strings.ReplaceAll(row, "TestX", "FuzzX")},
		"two attacks":              {head + lines + "// Attack: a\n// Held by: b\n" + tail, "| a | b | `TestX` in a/x |\n" + row},
		"nothing":                  {head + "// An Attack: is not at the start of a line.\n" + tail, ""},
		"no held by":               {head + "// Attack: a\n" + tail, `a/x/x_test.go:5:1: "Attack:" without "Held by:" in the next line`},
		"held by elsewhere":        {head + "// Attack: a\n//\n// Held by: b\n" + tail, `"Attack:" without "Held by:" in the next line`},
		"no attack":                {head + "// Held by: b\n" + tail, `"Held by:" without "Attack:" in the line before it`},
		"empty":                    {head + "// Attack:\n// Held by: b\n" + tail, `"Attack:" or "Held by:" is empty`},
		"two lines":                {head + lines + "// and more.\n" + tail, `not by "and more."`},
		"a helper":                 {head + lines + "func help(t *testing.T) {}\n", "is not the doc comment of a test"},
		"a method":                 {head + lines + "func (x) TestX(t *testing.T) {}\n", "is not the doc comment of a test"},
		"TestMain":                 {head + lines + "func TestMain(m *testing.M) {}\n", "is not the doc comment of a test"},
		"a benchmark":              {head + lines + "func BenchmarkX(b *testing.B) {}\n", "is not the doc comment of a test"},
		"not next to the function": {head + lines + "\n" + tail, "is not the doc comment of a test"},
		"inside the function":      {head + "func TestX(t *testing.T) {\n\t" + strings.ReplaceAll(lines, "\n// H", "\n\t// H") + "}\n", "is not the doc comment of a test"},
	} {
		t.Run(name, func(t *testing.T) {
			attacks, err := attacksBelow(fstest.MapFS{
				"a/x/x_test.go":          {Data: []byte(c.text)},
				"testdata/x/ignored.go":  {Data: []byte("of another module")},
				".hidden/x/ignored.go":   {Data: []byte("no source")},
				"a/x/not_go/ignored.txt": {Data: []byte(lines)},
			})
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, expected %q", err, c.want)
				}
				return
			}
			if got := strings.SplitAfterN(attackTable(attacks), "\n", 3)[2]; got != c.want {
				t.Errorf("%q, expected %q", got, c.want)
			}
		})
	}
	_, err := attacksBelow(fstest.MapFS{"x/x.go": {Data: []byte(head + lines + tail)}})
	if err == nil {
		t.Error("a line in a file that is not a test was accepted")
	}
}
