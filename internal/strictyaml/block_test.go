package strictyaml_test

import (
	"reflect"
	"testing"

	"usher/internal/strictyaml"
)

// A list of mappings becomes a block with the same values; anything else stays as it is.
func TestBlock(t *testing.T) {
	type entry struct {
		Name string   `yaml:"name"`
		List []string `yaml:"list"`
		In   struct {
			On bool `yaml:"on"`
		} `yaml:"in"`
		Deep []struct {
			A string `yaml:"a"`
		} `yaml:"deep"`
	}
	const line = `[{"name": "yes", "list": ["_INBOX.\u003e", "*.x", "true", "a, b", "#"], "in": {"on": true}}, {name: "{id}", "list": [], deep: [{a: "1"}, {a: "x: y"}]}]`
	const want = `
    - name: yes
      list: [_INBOX.>, '*.x', "true", 'a, b', '#']
      in:
        on: true
    - name: '{id}'
      list: []
      deep:
        - a: "1"
        - a: 'x: y'`
	block := strictyaml.Block(line, "    ")
	if block != want {
		t.Errorf("got %s", block)
	}
	read := func(value string) map[string][]entry {
		t.Helper()
		values := map[string][]entry{}
		if _, err := strictyaml.Decode("", []byte("key:"+value+"\n"), &values); err != nil {
			t.Fatalf("%v\n%s", err, value)
		}
		return values
	}
	if got, want := read(block), read(" "+line); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, line := range []string{"[]", "[a, b]", "{}", "x", "", "[{", "[[a: b]]"} {
		if got := strictyaml.Block(line, "  "); got != " "+line {
			t.Errorf("%q: %q", line, got)
		}
	}
}
