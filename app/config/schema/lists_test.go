package schema

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"usher/app/config/rule"
	"usher/internal/strictyaml"
)

// lists is a configuration with lists of mappings, and lists in their elements.
type lists struct {
	Dir      string    `yaml:"dir" rule:"path" doc:"A folder."`
	Services []service `yaml:"services" default:"[]" rule:"unique-names" doc:"Services."`
}

type service struct {
	Name    string        `yaml:"name" required:"true" rule:"name" hint:"a short name" doc:"Name."`
	URL     string        `yaml:"url" required:"true" rule:"https-url" hint:"its address" doc:"URL."`
	Kind    string        `yaml:"kind" default:"fast" rule:"one-of=fast|slow" doc:"Kind."`
	Timeout time.Duration `yaml:"timeout" default:"2s" rule:"at-least=1ms at-most=10s" doc:"Timeout."`
	Tags    []string      `yaml:"tags" default:"[x]" rule:"nonempty each=one-of=x|y unique" doc:"Tags."`
	Names   []string      `yaml:"names" default:"[]" rule:"each=name unique" doc:"Names."`
	CAFiles []string      `yaml:"ca_files" default:"[]" rule:"paths" doc:"Files."`
	TLS     serviceTLS    `yaml:"tls" doc:"TLS."`
	Rules   []serviceRule `yaml:"rules" default:"[]" rule:"nonempty" doc:"Rules."`
}

type serviceTLS struct {
	CertFile string `yaml:"cert_file" rule:"path" doc:"Certificate."`
	KeyFile  string `yaml:"key_file" rule:"path" doc:"Key."`
}

type serviceRule struct {
	When string `yaml:"when" required:"true" rule:"line" hint:"a condition" doc:"When."`
	File string `yaml:"file" rule:"path" doc:"File."`
	Else string `yaml:"else" default:"deny" rule:"one-of=deny|skip" doc:"Else."`
}

func listConstraints() []Constraint {
	return []Constraint{
		BothOrNeither("services[].tls.cert_file", "services[].tls.key_file"),
		AtMostOne([]string{"services[].rules[].file"}, []string{"services[].ca_files"}),
	}
}

func listTable() *Table {
	return New(reflect.TypeFor[lists](), rule.Rules(), listConstraints(), "lists.md")
}

func loadLists(text string) (lists, error) {
	var v lists
	err := listTable().Decode("/etc/f.yaml", []byte(text), &v, func(string) bool { return false })
	return v, err
}

func TestLists(t *testing.T) {
	_, err := loadLists("services: []")
	if err != nil {
		t.Error(err)
	}
	got, err := loadLists(`dir: d
services:
- {name: a, url: "https://a.example/b", rules: [{when: x}, {when: y, file: f, else: skip}]}
- name: b
  url: http://127.0.0.1:80
  kind: slow
  timeout: 3s
  tags: [y]
  names: [n]
  ca_files: [c, /d/./e]
  tls: {cert_file: c, key_file: ../k}
  rules: [{when: z}]
`)
	if err != nil {
		t.Fatal(err)
	}
	want := lists{Dir: "/etc/d", Services: []service{
		{
			Name: "a", URL: "https://a.example/b", Kind: "fast", Timeout: 2 * time.Second, Tags: []string{"x"}, Names: []string{}, CAFiles: []string{},
			Rules: []serviceRule{{When: "x", Else: "deny"}, {When: "y", File: filepath.Join("/etc", "f"), Else: "skip"}},
		},
		{
			Name: "b", URL: "http://127.0.0.1:80", Kind: "slow", Timeout: 3 * time.Second, Tags: []string{"y"}, Names: []string{"n"}, CAFiles: []string{"/etc/c", "/d/e"},
			TLS: serviceTLS{"/etc/c", "/k"}, Rules: []serviceRule{{When: "z", Else: "deny"}},
		},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	again, err := loadLists("services: [{name: a, url: 'https://a', rules: [{when: x}]}, {name: b, url: 'https://b', rules: [{when: x}]}]")
	if err != nil {
		t.Fatal(err)
	}
	again.Services[0].Tags[0] = "changed"
	if again.Services[1].Tags[0] != "x" {
		t.Error("two elements share a default")
	}
}

func TestListFaults(t *testing.T) {
	const a = "name: a, url: 'https://a', rules: [{when: x}]"
	for _, tt := range []struct{ name, text, want string }{
		{"missing keys", "services:\n- {kind: slow}", `/etc/f.yaml:2:3: services[0].name: is missing
  hint: a short name
/etc/f.yaml:2:3: services[0].url: is missing
  hint: its address
/etc/f.yaml:2:3: services[0].rules: must not be empty`},
		{"not a list", "services: {name: a}", `/etc/f.yaml:1:1: services: expected a list of mappings, found a mapping
  hint: begin each entry of the list with a dash: - `},
		{"not a mapping", "services: [a]", `/etc/f.yaml:1:12: services[0]: expected a mapping, found a string`},
		{"unknown key", "services: [{" + a + ", timout: 1s}]", `/etc/f.yaml:1:60: services[0].timout: unknown key
  hint: did you mean "timeout"?`},
		{"misspelled required key, reported once", "services: [{nam: a, url: 'https://a', rules: [{when: x}]}]", `/etc/f.yaml:1:13: services[0].nam: unknown key
  hint: did you mean "name"?`},
		{"same name twice", "services: [{" + a + "}, {" + a + "}]", `/etc/f.yaml:1:68: services[1].name: "a" is there twice, first in entry 1`},
		{"wrong values", "services: [{" + a + ", kind: quick, timeout: 0s, tags: [x, z], names: [b, 'c d'], ca_files: ['']}]", `/etc/f.yaml:1:66: services[0].kind: expected one of fast, slow, found "quick"
/etc/f.yaml:1:82: services[0].timeout: must be at least 1ms, is 0s
/etc/f.yaml:1:96: services[0].tags[1]: expected one of x, y, found "z"
  hint: did you mean "x"?
/etc/f.yaml:1:111: services[0].names[1]: name "c d" holds ' '; only letters, digits, '-' and '_' are allowed
/etc/f.yaml:1:130: services[0].ca_files[0]: must not be empty`},
		{"cleartext", "services: [{name: a, url: 'http://a.example', rules: [{when: x}]}]", `/etc/f.yaml:1:27: services[0].url: is reachable over cleartext, which others on the network can read and change
  hint: use https; http is for loopback addresses`},
		{"list in an element", "services: [{" + a + "}, {name: b, url: 'https://b', rules: [{when: x}, {else: no}]}]", `/etc/f.yaml:1:108: services[1].rules[1].when: is missing
  hint: a condition
/etc/f.yaml:1:115: services[1].rules[1].else: expected one of deny, skip, found "no"`},
		{"constraint in an element", "services: [{" + a + "}, {name: b, url: 'https://b', rules: [{when: x}], tls: {cert_file: c}}]", `/etc/f.yaml:1:126: services[1].tls.cert_file: needs services[1].tls.key_file
  hint: set both or neither`},
		{"constraint across levels", "services: [{" + a + ", ca_files: [c]}, {name: b, url: 'https://b', ca_files: [c], rules: [{when: x}, {when: y, file: f}]}]", `/etc/f.yaml:1:104: services[1].ca_files: conflicts with services[1].rules[1].file
  hint: keep one of: services[1].rules[1].file; services[1].ca_files`},
	} {
		if _, err := loadLists(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got\n%v\nwant\n%s", tt.name, err, tt.want)
		}
	}
	_, err := loadLists("services: [{name: " + "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI" + "}]")
	if !hasFaultIn(err, "services[0].name", "looks like a secret, found where a name belongs") {
		t.Error(err)
	}
}

func hasFaultIn(err error, path, message string) bool {
	all, ok := err.(strictyaml.Errors) //nolint:errorlint // load returns it bare
	for _, e := range all {
		if ok && e.Path == path && e.Message == message {
			return true
		}
	}
	return false
}

// TestListTable: the keys of elements are in the table after their list.
func TestListTable(t *testing.T) {
	var paths []string
	for _, e := range withElements(listTable().entries) {
		paths = append(paths, e.path)
	}
	want := []string{
		"dir", "services", "services[].name", "services[].url", "services[].kind", "services[].timeout", "services[].tags", "services[].names",
		"services[].ca_files", "services[].tls", "services[].tls.cert_file", "services[].tls.key_file", "services[].rules",
		"services[].rules[].when", "services[].rules[].file", "services[].rules[].else",
	}
	if !reflect.DeepEqual(paths, want) {
		t.Errorf("got  %q\nwant %q", paths, want)
	}
}
