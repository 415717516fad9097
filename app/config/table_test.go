package config

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"usher/app/config/rule"
	"usher/app/config/schema"
	"usher/internal/strictyaml"
)

// invalid has values that each rule refuses.
var invalid = map[string][]string{
	"between":             {"-1", "0x10", "2000000000000"},
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
	"publish-subjects":    {"[a..b]", "['a b']", "['a.>.b']", "['$SYS.>']", "['*.*.*.*']", "['$JS.>']", "['*.>']", "['']"},
	"subscribe-subjects":  {"['a b']", "['*']", "['$SYS.*']", "['$SYS.REQ.USER.AUTH']", "['$JS.*']", "['*.*']"},
	"not-built-in":        {"ingest", "healthcheck"},
	"resources":           {"[a.b]", "['*', a]", "[a, '*']"},
	"unique-roles":        {"[{project: a, role: project_admin}, {project: a, role: project_admin}]"},
	"nonempty":            {"[]"},
	"each":                {"['']"},
	"unique":              {"[a, a]"},
	"unique-names":        {"[{name: a}, {name: a}]"},
	"name":                {"a.b", `"a b"`, "_a", "é", strings.Repeat("a", 129)},
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
	"address":         {"localhost", "':80'", `"a:0"`, `"a:65536"`, `"a:http"`, "a/b:80", `"1.2.3.4:"`, "'::1:80'"},
	"listen":          {"localhost", `":65536"`, `":http"`, "a/b:80", `"1.2.3.4:"`, `"::1:80:"`},
	"collector-url": {
		"localhost", "'localhost:4318'", "[http://a]", "grpc://a", "http://", "'http://a:'", "http://a:0", "http://a:65536", "http://me:secret@a",
		"'http://a?key=x'", "'http://a?'", "'http://a#x'", "'%zz'", "http:a", "'http://a b'", "http://a:4318/v1/traces", "http://a/otlp/v1/traces/",
	},
	"port":                {"[\"\"]", "[\"0\"]", "[\"65536\"]", "[http]"},
	"dead-letter-subject": {"a..b", "'a b'", "'a.*'", "'a.>'", "'{other}'", ".a"},
	"subject-prefix":      {"a..b", "'a b'", "'a.*'", "'a.>'", "'{project}'", ".a"},
	"claims":              {"[hd]", "['=x']", "[hd=]", "[hd=a, hd=b]"},
	"nats-urls-or-none":   {`[""]`, "[localhost]", "[http://a]", "[nats://me:secret@a:4222]", "[nats://a, wss://b]"},
	"channel-subject":     {"stan", "'{channel}.{channel}'", "'stan..{channel}'", "'stan.*.{channel}'", "'stan.{channel}.>'", "'stan {channel}'", "'stan.{other}'", "'.{channel}'"},
	"nats-urls": {
		"[]", `[""]`, "[localhost]", "[127.0.0.1:4222]", "[http://a]", "[nats://]", "['nats://a:']", "[nats://a:0]",
		"[nats://a:65536]", "[nats://a/path]", "['nats://a?x=y']", "['nats://a?']", "['nats://a#x']", "['nats://a,nats://b']",
		"[nats://me@a]", "[nats://me:secret@a:4222]", "['%zz']", "[nats:a]", "[nats://a, wss://b]", "[ws://a, tls://b]", "['nats://a b']",
	},
}

func TestTable(t *testing.T) {
	if err := table().Validate(); err != nil {
		t.Error(err)
	}
	used := map[string]bool{}
	for _, k := range Keys() {
		name := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		isPath := slices.ContainsFunc(k.Refs, func(r rule.Ref) bool { return r.Name == "path" })
		if isFile := name == "file" || strings.HasSuffix(name, "_file") || name == "dir" || strings.HasSuffix(name, "_dir"); isFile != isPath {
			t.Errorf("%s: a key has rule path if, and only if, it names a file", k.Path)
		}
		for _, r := range k.Refs {
			used[r.Name], used[rule.ParseRef(r.Arg).Name] = true, true
		}
		if k.Type != "boolean" && len(k.Refs) == 0 {
			t.Errorf("%s has no rule", k.Path)
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
	for _, k := range Keys() {
		key := strings.ReplaceAll(k.Path, "[]", "[0]")
		values := []string{"[[]]", "{a: b}", "null"}
		for _, r := range k.Refs {
			values = append(values, invalid[r.Name]...)
		}
		if k.Required {
			values = append(values, `""`)
		}
		for _, value := range values {
			_, err := Parse("usher.yaml", []byte(minimalWith(k.Path, value)))
			if !hasFaultAt(err, key) {
				t.Errorf("%s: %s: %v", key, value, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Errorf("the error shows a password: %v", err)
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
			want := schema.Key{Path: "log.format", Type: "string", Default: "text", Doc: "Format of a log line.", Rules: []string{"one of `text`, `json`"}, Refs: []rule.Ref{{Name: "one-of", Arg: "text|json"}}}
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
