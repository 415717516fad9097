package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"usher/app/config/rule"
	"usher/internal/strictyaml"
)

// invalid has values that each rule refuses.
var invalid = map[string][]string{
	"between":             {"-1", "0x10", "500000000"},
	"fraction":            {"-0.1", "1.01", "2"},
	"positive":            {"0", "0s", "-1s"},
	"not-negative":        {"-1ns"},
	"at-most":             {"1000h"},
	"zero-or-at-least":    {"-1h", "999ms"},
	"one-of":              {`""`, "INFO", "other"},
	"no-limit-or-more":    {"-2", "0x10"},
	"account-connections": {"0", "-2"},
	"at-least":            {"0s", "-1s"},
	"scalar":              {"[]", "9007199254740993"},
	"scalars":             {"[[a]]", "[{a: b}]", "[1, 1.0]"},
	"resources":           {"[a.b]", "['*', a]", "[a, '*']"},
	"unique-roles":        {"[{project: a, role: project_admin}, {project: a, role: project_admin}]"},
	"nonempty":            {"[]"},
	"each":                {"['']"},
	"unique":              {"[a, a]"},
	"unique-names":        {"[{name: a}, {name: a}]"},
	"name":                {"a.b", `"a b"`, "_a", "é", strings.Repeat("a", 129)},
	"names":               {"['']", "[a.b]", "[a, a]"},
	"paths":               {"['']", "[~/file]"},
	"https-url": {
		"localhost", "http://example.org", "http://192.0.2.1/x", "ftp://a", "https://", "'https://a:'", "https://a:0", "https://a:65536", "https://me:secret@a",
		"https://me@a", "'https://a?key=x'", "'https://a?'", "'https://a#'", "'https://a#x'", "'%zz'", "https:a", "'https://a b'", "//a",
	},
	"imports": {
		"[{}]", "[{account: A, subject: s}]", "[{account: A, subject: s, type: Stream}]", "[{account: A, subject: s, type: stream, to: x}]",
		"[{account: A, subject: 'a..b', type: stream}]", "[{account: 'two words', subject: s, type: stream}]", "[{account: A, subject: 'a.>', type: stream, local_subject: b}]",
		"[{account: A, subject: s, type: service}, {account: A, subject: s, type: service}]",
	},
	"exports": {
		"[{}]", "[{subject: s}]", "[{subject: s, type: both}]", "[{subject: s, type: stream, token: x}]", "[{subject: 'a.', type: stream}]",
		"[{subject: 'a.>', type: stream}, {subject: a.b, type: stream}]",
	},
	"program":         {"[relative/program]", "['']", `["/bin/x\0"]`, "[/bin/sign, SOAGRP5ZF6GRCI4JIN3LXSSVOPLHVZYJXK4YIZ7FSXB3OWZ4ABCDEFGHIJ]"},
	"account-key":     {"A"},
	"user-nkey":       {"U"},
	"network":         {"10.0.0.1"},
	"operator-key":    {"A", "ADSTQNE5PVURJXJEMA4IMETNWHZXBYUSU7TFOC4M6WXRPSAS2XN4646L"},
	"account":         {`"two words"`, `"A\n"`, strings.Repeat("a", 129)},
	"bucket":          {`""`, "a.b", `"a b"`, "_a", "é", strings.Repeat("a", 129)},
	"scopes":          {"[publisher]", "[APP/]", "[/publisher]", "[APP/owner]", `["two words/publisher"]`, "[APP/publisher, APP/publisher]"},
	"mqtt-client-ids": {"{APP: all}", `{APP: ""}`, "{APP: [any]}", `{"two words": any}`, `{"": any}`, "{APP: any, APP: user}", "any", "[APP]"},
	"line":            {`"a\nb"`, `"\0"`},
	"path":            {"~/file", `"a\0b"`},
	"host":            {"a:4222", "a b", "-a", "a..b", strings.Repeat("a", 64), strings.Repeat("a.", 127)},
	"listen":          {"localhost", `":65536"`, `":http"`, "a/b:80", `"1.2.3.4:"`, `"::1:80:"`},
	"collector-url": {
		"localhost", "'localhost:4318'", "[http://a]", "grpc://a", "http://", "'http://a:'", "http://a:0", "http://a:65536", "http://me:secret@a",
		"'http://a?key=x'", "'http://a?'", "'http://a#x'", "'%zz'", "http:a", "'http://a b'", "http://a:4318/v1/traces", "http://a/otlp/v1/traces/",
	},
	"claims": {"[hd]", "['=x']", "[hd=]", "[hd=a, hd=b]"},
	"nats-urls": {
		"[]", `[""]`, "[localhost]", "[127.0.0.1:4222]", "[http://a]", "[nats://]", "['nats://a:']", "[nats://a:0]",
		"[nats://a:65536]", "[nats://a/path]", "['nats://a?x=y']", "['nats://a?']", "['nats://a#x']", "['nats://a,nats://b']",
		"[nats://me@a]", "[nats://me:secret@a:4222]", "['%zz']", "[nats:a]", "[nats://a, wss://b]", "[ws://a, tls://b]", "['nats://a b']",
	},
}

func TestTable(t *testing.T) {
	used := map[string]bool{}
	for _, e := range withElements(table()) {
		if e.name == "" || !strings.HasSuffix(e.doc, ".") {
			t.Errorf("%q has no name, or its doc is not a sentence", e.path)
		}
		if e.section {
			continue
		}
		switch typeName(e.typ) {
		case "string", "list of strings", "list of mappings", "map of strings", "map of lists of strings", "scalar", "list of scalars", "integer", "number", "boolean", "duration":
		default:
			t.Errorf("%s: type %s", e.path, e.typ)
		}
		def := reflect.New(e.typ).Elem()
		e.setDefault(def)
		if v, err := decodeText(e.typ, e.def); e.def != noDefault && (err != nil || !reflect.DeepEqual(v.Interface(), def.Interface())) {
			t.Errorf("%s: default %q is decoded as %v: %v", e.path, e.def, v, err)
		}
		if isFile := strings.HasSuffix(e.name, "file") || e.name == "dir" || strings.HasSuffix(e.name, "_dir"); isFile != e.hasRule("path") {
			t.Errorf("%s: a key has rule path if, and only if, it names a file", e.path)
		}
		for _, r := range e.rules {
			used[r.Name], used[rule.ParseRef(r.Arg).Name] = true, true
			if rules().Text(r) == "" {
				t.Errorf("%s: rule %s has no text", e.path, r.Name)
			}
			if v, err := decodeText(e.typ, e.def); err == nil && !e.required && len(rules().Check(r, v)) > 0 {
				t.Errorf("%s: rule %s refuses the default", e.path, r.Name)
			}
		}
		if typeName(e.typ) != "boolean" && len(e.rules) == 0 {
			t.Errorf("%s has no rule", e.path)
		}
	}
	for _, e := range withElements(tableOf(reflect.TypeFor[lists]())) {
		for _, r := range e.rules {
			used[r.Name], used[rule.ParseRef(r.Arg).Name] = true, true
		}
	}
	for _, r := range rules() {
		if !used[r.Name] || len(invalid[r.Name]) == 0 {
			t.Errorf("rule %s is not used, or has no invalid values", r.Name)
		}
	}
	if rules().Check(rule.Ref{Name: "no-such"}, reflect.ValueOf("")) == nil {
		t.Error("an unknown rule accepts everything")
	}
}

// hasFaultAt reports whether one of the faults in err is at key or below it.
func hasFaultAt(err error, key string) bool {
	var all strictyaml.Errors
	return errors.As(err, &all) && slices.ContainsFunc(all, func(e strictyaml.Error) bool {
		return (e.Path == key || strings.HasPrefix(e.Path, key+"[") || strings.HasPrefix(e.Path, key+".")) && e.File == "usher.yaml" && e.Line > 0 && e.Message != ""
	})
}

func TestInvalidValues(t *testing.T) {
	for _, e := range withElements(table()) {
		if e.section {
			continue
		}
		key := strings.ReplaceAll(e.path, "[]", "[0]")
		values := []string{"[[]]", "{a: b}", "null"}
		for _, r := range e.rules {
			values = append(values, invalid[r.Name]...)
		}
		if e.required {
			values = append(values, `""`)
		}
		for _, value := range values {
			_, err := Parse("usher.yaml", []byte(minimalWith(e.path, value)))
			if !hasFaultAt(err, key) {
				t.Errorf("%s: %s: %v", key, value, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Errorf("the error shows a password: %v", err)
			}
		}
	}
}

func TestConstraints(t *testing.T) {
	paths := map[string]bool{}
	for _, k := range Keys() {
		paths[k.Path] = true
	}
	for _, r := range constraints() {
		for _, key := range r.keys {
			if !paths[key] || !strings.Contains(r.text, "`"+key+"`") {
				t.Errorf("%s: unknown key, or the text does not name it: %s", key, r.text)
			}
		}
	}
}

func TestKeys(t *testing.T) {
	for _, k := range Keys() {
		if k.Required != (k.Default == "") || k.Type == "" || k.Doc == "" {
			t.Errorf("%+v", k)
		}
		switch k.Path {
		case "log.format":
			want := Key{Path: "log.format", Type: "string", Default: "text", Doc: "Format of a log line.", Rules: []string{"one of `text`, `json`"}}
			if !reflect.DeepEqual(k, want) {
				t.Errorf("got  %+v\nwant %+v", k, want)
			}
		case "nats.user":
			if k.Default != `""` {
				t.Errorf("default %q", k.Default)
			}
		}
	}
}
