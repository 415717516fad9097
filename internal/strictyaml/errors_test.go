package strictyaml_test

import (
	"strings"
	"testing"

	"usher/internal/strictyaml"
)

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
