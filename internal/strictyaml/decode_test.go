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

func TestErrors(t *testing.T) {
	const (
		apiKey = "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI" // made up, like the seed
		seed   = "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
		keys   = "name, on, count, ratio, wait, at, net, list, inner, maybe, labels, secrets, nonempty, self"
	)
	long := strings.Repeat("x", 50)
	for _, tt := range []struct{ name, doc, want string }{
		{"unknown key, close", "nam: x", "f.yaml:1:1: nam: unknown key\n  hint: did you mean \"name\"?"},
		{
			"unknown key, far", "inner: {usher_0123456789012345678901234567890: 1}",
			"f.yaml:1:9: inner[\"[looks like a secret]\"]: unknown key\n  hint: known keys: token, level, port",
		},
		{
			"unknown key, long", "inner: {abcdefghijklmnopqrstuvwxyz: 1}",
			"f.yaml:1:9: inner[\"abcdefghijkl…\"]: unknown key\n  hint: known keys: token, level, port",
		},
		{"API key as value", "on: " + apiKey, "f.yaml:1:5: on: expected true or false, found [looks like a secret]"},
		{"API key as integer", "count: " + apiKey, "f.yaml:1:8: count: expected an integer, found a string"},
		{
			"API key as duration", "wait: " + apiKey,
			"f.yaml:1:7: wait: expected a duration such as 1.5s, found [looks like a secret]\n" +
				"  hint: the units are ns, us, ms, s, m and h; a day is 24h",
		},
		{
			"seed as time", "at: " + seed,
			"f.yaml:1:5: at: expected an RFC 3339 time such as 2026-01-31T00:00:00Z, found [looks like a secret]\n" +
				"  hint: write date, time and offset, with a T between date and time",
		},
		{"seed as network", "net: " + seed + "/8", "f.yaml:1:6: net: expected a network such as 10.0.0.0/8, found [looks like a secret]"},
		{"seed as text", "inner: {level: " + seed + "}", "f.yaml:1:16: inner.level: unknown level \"[looks like a secret]\"\n  hint: low or high"},
		{"seed as unknown key", seed + ": 1", "f.yaml:1:1: [\"[looks like a secret]\"]: unknown key\n  hint: known keys: " + keys},
		{"seed as key of a map", "labels: {" + seed + ": [a]}", "f.yaml:1:10: labels.[looks like a secret]: expected a string, found a list"},
		{"seed as key twice", "labels:\n  " + seed + ": a\n  " + seed + ": b", "f.yaml:3:3: labels[\"[looks like a secret]\"]: duplicate key, the first is on line 2"},
		{"duplicate key", "name: a\non: true\nname: b", "f.yaml:3:1: name: duplicate key, the first is on line 1"},
		{
			"duplicate in a map", "labels:\n  a: x\n  a: y",
			"f.yaml:3:3: labels.a: duplicate key, the first is on line 2",
		},
		{"mapping for list", "list: {a: b}", "f.yaml:1:1: list: expected a list of strings, found a mapping"},
		{
			"string for list", "list: a",
			"f.yaml:1:7: list: expected a list of strings, found a string\n  hint: put it in brackets for a list of one",
		},
		{"list for mapping", "inner: [a]", "f.yaml:1:1: inner: expected a mapping, found a list"},
		{"string for entry", "self: [a]", "f.yaml:1:8: self[0]: expected a mapping, found a string"},
		{"list for string", "name: [a]", "f.yaml:1:1: name: expected a string, found a list"},
		{"root", "- a", "f.yaml:1:1: expected a mapping, found a list"},
		{"root null", "~", "f.yaml:1:1: expected a mapping, found null\n  hint: leave the key out, or give it a value"},
		{"null", "count:", "f.yaml:1:1: count: expected an integer, found null\n  hint: leave the key out, or give it a value"},
		{
			"null list", "list: ~",
			"f.yaml:1:1: list: expected a list of strings, found null\n" +
				"  hint: leave the key out, or write [] or {} for an empty one",
		},
		{
			"null entry", "list:\n- a\n-",
			"f.yaml:3:2: list[1]: expected a string, found null\n  hint: leave the key out, or give it a value",
		},
		{"number for string", "name: 123", "f.yaml:1:7: name: expected a string, found an integer\n  hint: quote it"},
		{"date for string", "name: 2026-01-01", "f.yaml:1:7: name: expected a string, found a time\n  hint: quote it"},
		{"boolean for string", "name: true", "f.yaml:1:7: name: expected a string, found a boolean\n  hint: quote it"},
		{"yes", "on: yes", "f.yaml:1:5: on: expected true or false, found \"yes\"\n  hint: write true"},
		{"off", "\"on\": Off", "f.yaml:1:7: on: expected true or false, found \"Off\"\n  hint: write false"},
		{"True", "on: True", "f.yaml:1:5: on: expected true or false, found \"True\"\n  hint: write true"},
		{"quoted boolean", "on: 'true'", "f.yaml:1:5: on: expected true or false, found a string\n  hint: leave the quotes out"},
		{"number for boolean", "on: 1", "f.yaml:1:5: on: expected true or false, found an integer"},
		{"long value", "on: " + long, "f.yaml:1:5: on: expected true or false, found \"" + long[:12] + "…\""},
		{"octal", "count: 010", "f.yaml:1:8: count: expected an integer, found \"010\"\n  hint: write it in plain decimal digits"},
		{"underscore", "count: 1_0", "f.yaml:1:8: count: expected an integer, found \"1_0\"\n  hint: write it in plain decimal digits"},
		{"float for integer", "count: 1.5", "f.yaml:1:8: count: expected an integer, found a number"},
		{"quoted integer", "count: '1'", "f.yaml:1:8: count: expected an integer, found a string\n  hint: leave the quotes out"},
		{
			"integer too large", "count: 9223372036854775808",
			"f.yaml:1:8: count: expected an integer from -9223372036854775808 to 9223372036854775807, found \"9223372036854775808\"",
		},
		{"uint too large", "inner: {port: 256}", "f.yaml:1:15: inner.port: expected an integer from 0 to 255, found \"256\""},
		{"uint negative", "inner: {port: -1}", "f.yaml:1:15: inner.port: expected an integer from 0 to 255, found \"-1\""},
		{"float", "ratio: .nan", "f.yaml:1:8: ratio: expected a finite decimal number, found \".nan\""},
		{"octal float", "ratio: 010", "f.yaml:1:8: ratio: expected a finite decimal number, found \"010\""},
		{"string for float", "ratio: x", "f.yaml:1:8: ratio: expected a number, found a string"},
		{
			"duration without unit", "wait: 5",
			"f.yaml:1:7: wait: expected a duration such as 1.5s, found an integer\n" +
				"  hint: write the unit: the units are ns, us, ms, s, m and h; a day is 24h",
		},
		{
			"duration", "wait: 1d",
			"f.yaml:1:7: wait: expected a duration such as 1.5s, found \"1d\"\n" +
				"  hint: the units are ns, us, ms, s, m and h; a day is 24h",
		},
		{
			"date for time", "at: 2026-01-01",
			"f.yaml:1:5: at: expected an RFC 3339 time such as 2026-01-31T00:00:00Z, found \"2026-01-01\"\n" +
				"  hint: write date, time and offset, with a T between date and time",
		},
		{
			"zero time", "at: 0001-01-01T00:00:00Z",
			"f.yaml:1:5: at: the zero time (start of year 1) is not allowed\n  hint: leave the key out if there is no such time",
		},
		{"host bits", "net: 10.0.0.1/8", "f.yaml:1:6: net: \"10.0.0.1/8\" has bits set beyond its prefix length\n  hint: did you mean 10.0.0.0/8?"},
		{"mapped", "net: ::ffff:10.0.0.0/104", "f.yaml:1:6: net: \"::ffff:10.0.0.0/104\" is IPv4 written as IPv6\n  hint: did you mean 10.0.0.0/8?"},
		{"prefix", "net: ten", "f.yaml:1:6: net: expected a network such as 10.0.0.0/8, found \"ten\""},
		{"zone", "net: fe80::1%eth0", "f.yaml:1:6: net: expected a network such as 10.0.0.0/8, found \"fe80::1%eth0\""},
		{"text", "inner: {level: mid}", "f.yaml:1:16: inner.level: unknown level \"mid\"\n  hint: low or high"},
		{"number for text", "inner: {level: 1}", "f.yaml:1:16: inner.level: expected a string, found an integer\n  hint: quote it"},
		{"secret text", "secrets: [hunter2]", "f.yaml:1:11: secrets[0]: is not a valid value"},
		{"secret number", "inner: {token: 12345}", "f.yaml:1:16: inner.token: expected a string, found an integer\n  hint: quote it"},
		{"nonempty", "nonempty: []", "f.yaml:1:1: nonempty: must not be empty\n  hint: leave the key out, or give it a value"},
		{
			"anchor", "name: &a x",
			"f.yaml:1:7: name: anchors are not supported\n  hint: spell the value out; a string that begins with * or & needs quotes",
		},
		{
			"alias", "name: x\nlist: &l [a]\nself: [{list: *l}]",
			"f.yaml:2:1: list: anchors are not supported\n  hint: spell the value out; a string that begins with * or & needs quotes\n" +
				"f.yaml:3:15: self[0].list: aliases are not supported\n  hint: spell the value out; a string that begins with * or & needs quotes",
		},
		{
			"alias of nothing", "name: *hunter2",
			"f.yaml:1:7: aliases are not supported\n  hint: spell the value out; a string that begins with * or & needs quotes",
		},
		{"merge key", "inner:\n  <<: {port: 1}", "f.yaml:2:3: inner: merge keys are not supported\n  hint: write the keys out"},
		{
			"tag", "name: !!str 1",
			"f.yaml:1:7: name: tags are not supported\n  hint: leave the tag out; a string that begins with ! needs quotes",
		},
		{"number as key", "labels: {1: a}", "f.yaml:1:10: labels: expected a string as key, found an integer\n  hint: quote it"},
		{"list as key", "labels: {[a]: a}", "f.yaml:1:10: labels: expected a string as key, found a list"},
		{"empty key", "labels: {'': a}", "f.yaml:1:10: labels: empty key"},
		{
			"two documents", "name: a\n---\nname: b",
			"f.yaml:2:1: a second document starts here\n  hint: keep one document in the file, without further --- lines",
		},
		{
			"two documents, first empty", "---\n---\nname: b",
			"f.yaml:2:1: a second document starts here\n  hint: keep one document in the file, without further --- lines",
		},
		{"syntax", "name: [a\non: true", "f.yaml:2:3: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence that starts on line 1"},
		{
			"tab", "inner:\n\tport: 1",
			"f.yaml:2:1: not valid YAML: found character that cannot start any token while scanning for the next token\n" +
				"  hint: indent with spaces, not with tabs",
		},
		{"not text", "name: a\non: \xff", "f.yaml:2:5: not UTF-8 text\n  hint: save the file as UTF-8 text"},
		{"control", "name: a\x00", "f.yaml:1:8: control character U+0000\n  hint: save the file as UTF-8 text"},
		{"too deep", strings.Repeat("{self: [", 33) + strings.Repeat("]}", 33), "f.yaml:1:258: " + strings.Repeat("self[0].", 32) + "self: nested more than 64 levels deep"},
		{"far too deep", strings.Repeat("[", 20000), "f.yaml:1:10001: not valid YAML: exceeded max depth of 10000 while increasing flow level"},
		{"too large", strings.Repeat("#", strictyaml.MaxSize+1), "f.yaml: the file is larger than 64 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v target
			src, err := strictyaml.Decode("f.yaml", []byte(tt.doc), &v)
			if err == nil {
				t.Fatal("no error")
			}
			if src == nil {
				t.Error("no Source")
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestRequired(t *testing.T) {
	type item struct {
		ID   string   `yaml:"id" required:"true"`
		Tags []string `yaml:"tags" required:"true"`
	}
	type doc struct {
		Items []item `yaml:"items" required:"true"`
	}
	for text, want := range map[string]string{
		"":                                "f.yaml:1:1: items: is missing",
		"{}":                              "f.yaml:1:1: items: is missing",
		"items: []":                       "f.yaml:1:1: items: must not be empty",
		"items:\n- id: a":                 "f.yaml:2:3: items[0].tags: is missing",
		"items:\n- id: ''\n  tags: [a]":   "f.yaml:2:7: items[0].id: must not be empty",
		"items:\n- id: 1\n  tags: [a, 2]": "f.yaml:2:7: items[0].id: expected a string, found an integer\n  hint: quote it\nf.yaml:3:13: items[0].tags[1]: expected a string, found an integer\n  hint: quote it",
	} {
		var v doc
		if _, err := strictyaml.Decode("f.yaml", []byte(text), &v); err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v\nwant\n%s", text, err, want)
		}
	}
}

// A misspelled key is one error: what it was meant to be is not reported as missing.
func TestMisspelledKey(t *testing.T) {
	type server struct {
		User         string `yaml:"user" required:"true"`
		PasswordFile string `yaml:"password_file" required:"true"`
		CertFile     string `yaml:"cert_file"`
		CertKey      string `yaml:"cert_key"`
	}
	type doc struct {
		Directory map[string]string `yaml:"directory" required:"true"`
		Servers   []server          `yaml:"servers"`
	}
	const unknown = "unknown key\n  hint: did you mean "
	for _, tt := range []struct {
		doc, want  string
		misspelled []string
		right      []string
	}{
		{
			"directry: {a: b}", "f.yaml:1:1: directry: " + unknown + `"directory"?`,
			[]string{"directory", "directory.a", "directory.a.b"},
			[]string{"", "servers", "directry"},
		},
		{
			"directory: {a: b}\ndirectry: {}", "f.yaml:2:1: directry: " + unknown + `"directory"?`,
			nil,
			[]string{"directory", "directory.c"},
		},
		{
			"directory: {a: b}\nservers:\n- {usr: u, password: p}\n- {password_file: p}",
			"f.yaml:3:4: servers[0].usr: " + unknown + "\"user\"?\n" +
				"f.yaml:3:12: servers[0].password: " + unknown + "\"password_file\"?\n" +
				"f.yaml:4:3: servers[1].user: is missing",
			[]string{"servers[0].user", "servers[0].password_file"},
			[]string{"servers[1].user", "servers[0].cert_file", "servers[0]"},
		},
		{
			"directory: {a: b}\nservers: [{user: u, password_file: p, cert: c}]",
			"f.yaml:2:39: servers[0].cert: unknown key\n  hint: known keys: user, password_file, cert_file, cert_key", // two continue it
			nil,
			[]string{"servers[0].cert_file"},
		},
	} {
		var v doc
		src, err := strictyaml.Decode("f.yaml", []byte(tt.doc), &v)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got\n%v\nwant\n%s", tt.doc, err, tt.want)
		}
		for _, path := range tt.misspelled {
			if !src.Misspelled(path) {
				t.Errorf("%q: %s is not misspelled", tt.doc, path)
			}
		}
		for _, path := range tt.right {
			if src.Misspelled(path) {
				t.Errorf("%q: %s is misspelled", tt.doc, path)
			}
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
