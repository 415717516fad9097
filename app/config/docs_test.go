package config_test

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"usher/app/config"
)

var update = flag.Bool("update", false, "write docs/reference/configuration.md")

func TestMarkdown(t *testing.T) {
	const file = "../../docs/reference/configuration.md"
	want := config.Markdown()
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/reference/configuration.md is out of date: run go generate ./app/config")
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(got, -1)
	if len(blocks) == 0 {
		t.Error("docs/reference/configuration.md has no example")
	}
	for _, block := range blocks {
		if _, err := config.Parse("usher.yaml", block[1]); err != nil {
			t.Error(err)
		}
	}
	for _, k := range config.Keys() {
		if !strings.Contains(string(got), k.Doc) {
			t.Errorf("docs/reference/configuration.md lacks the doc of %s", k.Path)
		}
	}
}

func minimal() map[string]string {
	return map[string]string{
		"accounts.callout": "AUTH", "accounts.system": "SYS",
		"keyring.dir": "keys", "directory.file": "directory.yaml",
	}
}

func TestExample(t *testing.T) {
	const awkward = `yes: "it" # is`
	values := minimal()
	values["nats.urls"] = "[tls://a:4222, tls://b:4222]"
	values["nats.user"] = awkward
	values["nats.password_file"] = "password"
	values["nats.tls.server_name"] = "example.org"
	values["callout.budget"] = "1s"
	data, err := config.Example(values)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Parse("usher.yaml", data)
	if err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	want := config.Default()
	want.Accounts = config.Accounts{Callout: "AUTH", System: "SYS", IngestStreaming: true, Scopes: []string{}, MQTTClientIDs: map[string]string{}}
	want.Keyring.Dir, want.Directory.File = "keys", "directory.yaml"
	want.NATS.URLs = []string{"tls://a:4222", "tls://b:4222"}
	want.NATS.User, want.NATS.PasswordFile = awkward, "password"
	want.NATS.TLS.ServerName = "example.org"
	want.Callout.Budget = 1e9
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	// With every key uncommented, the configuration is the same.
	all := regexp.MustCompile(`(?m)^( *)#(\S)`).ReplaceAll(data, []byte("$1$2"))
	got, err = config.Parse("usher.yaml", all)
	if err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	if !reflect.DeepEqual(got, &want) {
		t.Errorf("uncommented: got  %+v\nwant %+v", got, want)
	}
	next := string(all)
	for _, k := range config.Keys() {
		if strings.Contains(k.Path, "[]") {
			continue
		}
		name := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		at := regexp.MustCompile("(^|[\\s#])" + name + ": ").FindStringIndex(next)
		if at == nil {
			t.Fatalf("%s is not in the example, or not in order", k.Path)
		}
		next = next[at[1]:]
	}
	for i, line := range strings.Split(string(data), "\n") {
		if len(line) > 80 && strings.HasPrefix(strings.TrimSpace(line), "# ") {
			t.Errorf("line %d is %d characters long", i+1, len(line))
		}
	}
}

func TestExampleFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values map[string]string
		want   string
	}{
		{"unknown path", map[string]string{"nats.url": "x", "a": "b"}, "a: unknown key\nnats.url: unknown key"},
		{"section", map[string]string{"nats": "{}"}, "nats: unknown key"},
		{"wrong type", map[string]string{"nats.connections": "many"}, "nats.connections: expected an integer, found a string"},
		{"two lines", map[string]string{"nats.connections": "1\nnats: {}"}, "nats.connections: is more than one line"},
		{"empty value", map[string]string{"nats.connections": ""}, "nats.connections: expected an integer, found null"},
		{
			"contradiction",
			map[string]string{"audit.to": "file"},
			"example configuration: usher.yaml:\x00: audit.to: needs audit.file\n  hint: set audit.file, or choose another value",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			values := minimal()
			maps.Copy(values, tt.values)
			data, err := config.Example(values)
			if err == nil {
				t.Fatalf("no error:\n%s", data)
			}
			place := regexp.MustCompile(`yaml:\d+:\d+:`)
			if got := place.ReplaceAllString(err.Error(), "yaml:\x00:"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if _, err := config.Example(nil); err == nil || !strings.Contains(err.Error(), "keyring.dir: is missing") {
		t.Errorf("without the required keys: %v", err)
	}
}
