package strictyaml_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/internal/strictyaml"
)

type level int

func (l *level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "low":
		*l = 1
	case "high":
		*l = 2
	default:
		return strictyaml.WithHint(fmt.Errorf("unknown level %q", text), "low or high")
	}
	return nil
}

type inner struct {
	Token string `yaml:"token" secret:"true"`
	Level level  `yaml:"level"`
	Port  uint8  `yaml:"port"`
}

type target struct {
	Name     string            `yaml:"name"`
	On       bool              `yaml:"on"`
	Count    int               `yaml:"count"`
	Ratio    float64           `yaml:"ratio"`
	Wait     time.Duration     `yaml:"wait"`
	At       time.Time         `yaml:"at"`
	Net      netip.Prefix      `yaml:"net"`
	List     []string          `yaml:"list"`
	Inner    inner             `yaml:"inner"`
	Maybe    *inner            `yaml:"maybe"`
	Labels   map[string]string `yaml:"labels"`
	Secrets  []level           `yaml:"secrets" secret:"true"`
	Nonempty []int             `yaml:"nonempty" nonempty:"true"`
	Self     []target          `yaml:"self"`
	Hidden   string            `yaml:"-"`
}

// The keys of an embedded struct are those of the struct around it.
func TestEmbedded(t *testing.T) {
	type common struct {
		ID string `yaml:"id" required:"true"`
		At int    `yaml:"at"`
	}
	type outer struct {
		First string `yaml:"first"`
		common
		Last string `yaml:"last"`
	}
	var v outer
	if _, err := strictyaml.Decode("d.yaml", []byte("{last: z, id: x, at: 7, first: a}"), &v); err != nil || v != (outer{"a", common{"x", 7}, "z"}) {
		t.Errorf("%v, %+v", err, v)
	}
	_, err := strictyaml.Decode("d.yaml", []byte("{atq: 7}"), &v)
	if want := "d.yaml:1:1: id: is missing\nd.yaml:1:2: atq: unknown key"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	var twice struct {
		ID string `yaml:"id"`
		common
	}
	if _, err := strictyaml.Decode("d.yaml", nil, &twice); err == nil {
		t.Error("two fields have the same name")
	}
}

func TestDecode(t *testing.T) {
	const doc = `# comment
name: "123"
on: true
count: -7
ratio: 1e-3
wait: 1.5s
at: 2026-01-01T00:00:00+01:00
net: 10.0.0.1
list: [a, yes, 'null']
inner: {token: s3cret, level: high, port: 255}
maybe:
  level: low
labels:
  a.b: x
  plain: ""
self:
- name: |
    text
`
	got := target{Count: 1, Labels: map[string]string{"gone": ""}}
	src, err := strictyaml.Decode("f.yaml", []byte(doc), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := target{
		Name: "123", On: true, Count: -7, Ratio: 0.001, Wait: 1500 * time.Millisecond,
		Net: netip.MustParsePrefix("10.0.0.1/32"), List: []string{"a", "yes", "null"},
		Inner: inner{"s3cret", 2, 255}, Maybe: &inner{Level: 1},
		Labels: map[string]string{"a.b": "x", "plain": ""}, Self: []target{{Name: "text\n"}},
	}
	want.At = got.At
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !got.At.Equal(time.Date(2025, 12, 31, 23, 0, 0, 0, time.UTC)) {
		t.Errorf("at = %v", got.At)
	}
	for path, want := range map[string]string{
		"":                      "f.yaml:2:1: ",
		"name":                  "f.yaml:2:7: name: ",
		"list":                  "f.yaml:9:1: list: ",
		"list[1]":               "f.yaml:9:11: list[1]: ",
		"list[7]":               "f.yaml:9:1: list[7]: ",
		"maybe.level":           "f.yaml:12:10: maybe.level: ",
		"maybe.port":            "f.yaml:11:1: maybe.port: ",
		`labels["a.b"]`:         "f.yaml:14:8: " + `labels["a.b"]: `,
		`labels["a]\".c"].x`:    "f.yaml:13:1: " + `labels["a]\".c"].x: `,
		"self[0].inner.port[3]": "f.yaml:17:3: self[0].inner.port[3]: ",
		"none[":                 "f.yaml:2:1: none[: ",
	} {
		if got := src.Errorf(path, "", "m%d", 1).Error(); got != want+"m1" {
			t.Errorf("Errorf(%q) = %q, want %q", path, got, want+"m1")
		}
	}
	if !src.Has("inner.token") || src.Has("inner.toke") || src.Has("maybe.port") {
		t.Error("Has is wrong")
	}
}

func TestDecodeKeepsAbsentFields(t *testing.T) {
	got := target{Count: 3, Inner: inner{Port: 4}}
	if _, err := strictyaml.Decode("f.yaml", []byte("inner: {level: low}"), &got); err != nil {
		t.Fatal(err)
	}
	if got.Count != 3 || got.Inner.Port != 4 || got.Inner.Level != 1 {
		t.Errorf("got %+v", got)
	}
	for _, doc := range []string{"", "# nothing\n", "---\n", "\ufeff"} {
		if _, err := strictyaml.Decode("f.yaml", []byte(doc), &got); err != nil {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

func TestUnsupportedTargets(t *testing.T) {
	type untagged struct{ A string }
	type chans struct {
		C chan int `yaml:"c"`
	}
	type twice struct {
		A string `yaml:"a"`
		B string `yaml:"a"`
	}
	type unexported struct {
		a string `yaml:"a"` //nolint:unused // the test is about this mistake
	}
	for _, tt := range []struct {
		v    any
		want string
	}{
		{nil, "f.yaml: strictyaml: the target is not a pointer to a value"},
		{target{}, "f.yaml: strictyaml: the target is not a pointer to a value"},
		{(*target)(nil), "f.yaml: strictyaml: the target is not a pointer to a value"},
		{&untagged{}, "f.yaml: strictyaml: field A of strictyaml_test.untagged has no yaml tag"},
		{&twice{}, `f.yaml: strictyaml: two fields of strictyaml_test.twice are named "a"`},
		{&unexported{}, "f.yaml: strictyaml: field a of strictyaml_test.unexported is not exported"},
		{&chans{}, "f.yaml: strictyaml: field C of strictyaml_test.chans: values of type chan int cannot be decoded"},
		{&map[int]string{}, "f.yaml: strictyaml: values of type map[int]string cannot be decoded"},
	} {
		src, err := strictyaml.Decode("f.yaml", []byte("a: b"), tt.v)
		if err == nil || err.Error() != tt.want || src == nil {
			t.Errorf("%T: got %v, want %s", tt.v, err, tt.want)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	var v target
	_, err := strictyaml.Decode("f.yaml", []byte("list: ["+strings.Repeat("1,", 5000)+"]"), &v)
	var all strictyaml.Errors
	if !errors.As(err, &all) || len(all) != 1001 {
		t.Fatalf("got %d errors", len(all))
	}
	if got, want := all[1000].Message, "more than 1000 errors; the rest are not shown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var first strictyaml.Error
	if !errors.As(err, &first) || first.Path != "list[0]" {
		t.Errorf("the first error is %v", first)
	}
}

func FuzzDecode(f *testing.F) {
	for _, doc := range []string{
		"", "name: a\non: true\ncount: 1\nratio: 1.5\nwait: 1s\n", "at: 2026-01-01T00:00:00Z\nnet: ::/0\n",
		"self: [{self: [{name: x}]}]", "inner: {token: a, level: low}\nmaybe: {port: 1}", "labels: {a.b: c, \"d\\n\": e}",
		"a: &x [*x]", "<<: {name: a}", "? [a]\n: b", "---\n---\n", "name: !!binary aaa", "name: |2\n   x\n", "\xff\xfea",
		"name: *x", "list: [~, 'a', \"b\", 1, 1.5, true]", "inner:\n\tport: 1", "# c\n\n#d\nself:\n# e\n- name: a # f\n",
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v target
		src, err := strictyaml.Decode("f.yaml", data, &v)
		if src == nil {
			t.Fatal("no Source")
		}
		if err == nil {
			return
		}
		var all strictyaml.Errors
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("not Errors: %v", err)
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + 2 +
			strings.Count(string(data), "\u0085") + strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029")
		for i, e := range all {
			if e.Message == "" || e.Line > lines || i > 0 && e.Line < all[i-1].Line {
				t.Fatalf("bad error %#v", e)
			}
		}
	})
}

// A field of type any takes a value with the type that it has in the document.
func TestAny(t *testing.T) {
	type anything struct {
		Value any            `yaml:"value"`
		Map   map[string]any `yaml:"map"`
	}
	var v anything
	src, err := strictyaml.Decode("f.yaml", []byte("value: [a, '1', 1, 0.5, true, {k: [b]}]\nmap: {a: {b: c}}\n"), &v)
	want := anything{[]any{"a", "1", int64(1), 0.5, true, map[string]any{"k": []any{"b"}}}, map[string]any{"a": map[string]any{"b": "c"}}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("got %#v, %v", v, err)
	}
	if !src.Has("value[5].k[0]") || !src.Has("map.a.b") {
		t.Error("a path is unknown")
	}
	for doc, want := range map[string]string{
		"value: null":                "f.yaml:1:1: value: expected a value, found null",
		"value: [1, ~]":              "f.yaml:1:12: value[1]: expected a value, found null",
		"value: 2026-01-31":          "f.yaml:1:8: value: expected a string, found a time",
		"value: 0x10":                "f.yaml:1:8: value: expected an integer, found",
		"value: .inf":                "f.yaml:1:8: value: expected a finite decimal number, found",
		"value: Yes\nmap: {a: !x b}": "f.yaml:2:10: map.a: tags are not supported",
		"map: {a: 1, a: 2}":          "f.yaml:1:13: map.a: duplicate key",
	} {
		if _, err := strictyaml.Decode("f.yaml", []byte(doc), &anything{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
}
