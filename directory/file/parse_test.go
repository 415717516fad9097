package file_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/directory"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/internal/strictyaml"
)

const (
	digestA = "sha256:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"
	digestB = "sha256:81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9"
	rawKey  = "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI" // the shape of a key, not one
	rawSeed = "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX"
)

func TestExample(t *testing.T) {
	snapshot, err := file.Load("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := snapshot.Size(), (directory.Size{Users: 3, Keys: 3, Projects: 1, Topics: 2, Subscriptions: 1}); got != want {
		t.Errorf("size %+v, want %+v", got, want)
	}
	data, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	records, _, err := file.Parse("example.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	alice := records.Users[0]
	want := directory.Key{
		ID:        "laptop",
		Digest:    alice.Keys[0].Digest,
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Expires:   time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		Networks: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"),
		},
	}
	if !reflect.DeepEqual(alice.Keys[0], want) {
		t.Errorf("got  %+v\nwant %+v", alice.Keys[0], want)
	}
	if got := alice.Keys[0].Digest.String(); got != digestA {
		t.Errorf("digest %s", got)
	}
	if alice.Disabled || alice.Keys[0].Disabled || !alice.Keys[1].Disabled || !records.Users[2].Disabled {
		t.Error("enabled is not what the file says")
	}
	types := []directory.ConnectionType{directory.ConnectionStandard, directory.ConnectionWebSocket}
	if got := records.Users[1].Limits.ConnectionTypes; !reflect.DeepEqual(got, types) {
		t.Errorf("connection types %v", got)
	}
}

func TestAbsent(t *testing.T) {
	_, err := file.Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// load loads text as a file and returns its faults, without the directory of the file.
func load(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.yaml")
	write(t, path, text)
	snapshot, err := file.Load(path)
	if err == nil {
		return ""
	}
	if snapshot != nil {
		t.Error("a snapshot and an error")
	}
	var all strictyaml.Errors
	if !errors.As(err, &all) {
		t.Fatalf("not strictyaml.Errors: %v", err)
	}
	if strings.Contains(err.Error(), "0123456789abcdef") || strings.Contains(err.Error(), rawSeed[:20]) {
		t.Errorf("the error gives a key away: %v", err)
	}
	return strings.ReplaceAll(err.Error(), filepath.Dir(path)+string(filepath.Separator), "")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFaults(t *testing.T) {
	const rawHint = "\n  hint: this is the key itself: put its digest here (usher apikey new prints it), " +
		"and replace the key, because it was in a file"
	key := func(text string) string { return "users:\n- name: a\n  keys:\n  - " + text }
	const secretHint = "\n  hint: replace that secret, since it stood in a file"
	for _, tt := range []struct{ name, doc, want string }{
		{"empty", "", "d.yaml:1:1: the file is empty\n  hint: write users: [] for a directory without users"},
		{"comments only", "# nothing\n", "d.yaml:1:1: the file is empty\n  hint: write users: [] for a directory without users"},
		{"nobody", "users: []", ""},
		{
			"a misspelled name, said once", "users: [{nam: a}]\nprojects: [{name: p, account: A, members: [{user: a, roles: [publisher]}]}]",
			"d.yaml:1:10: users[0].nam: unknown key\n  hint: did you mean \"name\"?",
		},
		{
			"misspelled topics, said once", "users: [{name: a}]\nprojects:\n- name: p\n  account: A\n  topcs: [{name: t}]\n  subscriptions: [{name: s, topic: t}]",
			"d.yaml:5:3: projects[0].topcs: unknown key\n  hint: did you mean \"topics\"?",
		},
		{
			"a misspelled list, said once", "usrs: [{name: a}]\nprojects: [{name: p, account: A, members: [{user: a, roles: [publisher]}]}]",
			"d.yaml:1:1: usrs: unknown key\n  hint: did you mean \"users\"?",
		},
		{"upper-case digest", key("digest: sha256:" + strings.ToUpper(digestA[7:])), ""},
		{"the key for its digest", key("digest: " + rawKey), "d.yaml:4:13: users[0].keys[0].digest: expected a digest, found an API key" + rawHint},
		{"the key with a prefix", key("digest: sha256:" + rawKey), "d.yaml:4:13: users[0].keys[0].digest: expected a digest, found an API key" + rawHint},
		{"short digest", key("digest: sha256:00"), "d.yaml:4:13: users[0].keys[0].digest: expected sha256: and 64 hex digits"},
		{"bare digest", key("digest: " + digestA[7:]), "d.yaml:4:13: users[0].keys[0].digest: expected sha256: and 64 hex digits"},
		{"no digest", key("id: x"), "d.yaml:4:5: users[0].keys[0].digest: is missing"},
		{"zero digest", key("digest: sha256:" + strings.Repeat("0", 64)), "d.yaml:4:13: users[0].keys[0].digest: is missing"},
		{"a seed for an nkey", "users:\n- name: a\n  nkeys:\n  - nkey: " + rawSeed, "d.yaml:4:11: users[0].nkeys[0].nkey: looks like a secret, found where a name belongs" + secretHint},
		{"no nkey", "users:\n- name: a\n  nkeys:\n  - id: x", "d.yaml:4:5: users[0].nkeys[0].nkey: is missing"},
		{"a password for its hash", "users:\n- name: a\n  password: {hash: correct horse}", "d.yaml:3:20: users[0].password.hash: expected a hash such as $argon2id$v=19$m=19456,t=2,p=1$… or $2b$…\n  hint: usher password hash makes one"},
		{"a password in a list", "users:\n- name: a\n  password: [{hash: x}]", "d.yaml:3:3: users[0].password: expected a mapping, found a list"},
		{"an unknown key of a password", "users:\n- name: a\n  password: {hash: $2a$10$abcdefghijklmnopqrstuuqz5lPzXb6HZGcVcoeVZCBIpcsIFSCNe, text: y}", "d.yaml:3:82: users[0].password.text: unknown key\n  hint: known keys: hash, id, enabled, not_before, expires, networks, created_on"},
		{
			"the same subject twice", "users:\n- name: a\n  certificates: [{subject: CN=a}, {subject: CN=b, id: b}]\n- name: b\n  keys: [{digest: " + digestA + "}]\n  certificates: [{subject: CN=b}]",
			"d.yaml:6:28: users[1].certificates[0].subject: this certificate subject is already at users[0].certificates[1]",
		},
		{"a binding without a host", "users:\n- name: a\n  bindings: [{subject: CN=a, service_type: ams}]", "d.yaml:3:14: users[0].bindings[0].host: is missing"},
		{
			"the key for its id", key("digest: " + digestA + "\n    id: " + rawKey),
			"d.yaml:5:9: users[0].keys[0].id: key name looks like a secret, found where a name belongs" +
				"\n  hint: replace that secret, since it stood in a file",
		},
		{
			"the key for a key", key(rawKey),
			"d.yaml:4:5: users[0].keys[0]: expected a mapping, found a string",
		},
		{"a seed for a digest", key("digest: " + rawSeed), "d.yaml:4:13: users[0].keys[0].digest: looks like a secret, found where a digest belongs" + secretHint},
		{
			"a key for a connection type", "users:\n- name: a\n  limits: {connection_types: [" + rawKey + "]}",
			"d.yaml:3:31: users[0].limits.connection_types[0]: unknown connection type [looks like a secret]\n" +
				"  hint: known connection types: standard, websocket, leafnode, leafnode_ws, mqtt, mqtt_ws, in_process",
		},
		{"a key for a user", "users:\n- name: " + rawKey, "d.yaml:2:9: users[0].name: user name looks like a secret, found where a name belongs" + secretHint},
		{"a key for a time", key("{digest: " + digestA + ", expires: " + rawKey + "}"), "d.yaml:4:96: users[0].keys[0].expires: expected an RFC 3339 time such as 2026-01-31T00:00:00Z, found [looks like a secret]\n  hint: write date, time and offset, with a T between date and time"},
		{
			"no networks", key("{digest: " + digestA + ", networks: []}"),
			"d.yaml:4:87: users[0].keys[0].networks: must not be empty\n  hint: leave the key out, or give it a value",
		},
		{
			"connection type in upper case", "users:\n- name: a\n  limits: {connection_types: [STANDARD]}",
			"d.yaml:3:31: users[0].limits.connection_types[0]: unknown connection type \"STANDARD\"\n  hint: did you mean \"standard\"?",
		},
		{
			"unknown service role", "users:\n- name: a\n  service_roles: [root]",
			"d.yaml:3:19: users[0].service_roles[0]: there is no service role \"root\"\n  hint: one of service_admin, ingest, push_worker, admin_viewer",
		},
		{"no name", "users:\n- enabled: true", "d.yaml:2:3: users[0].name: user name is empty"},
		{
			"empty entry of an acl", "projects:\n- name: p\n  account: A\n  topics:\n  - name: t\n    acl:\n    - \"\"\n    -",
			"d.yaml:7:7: projects[0].topics[0].acl[0]: user \"\" is not a member of project \"p\"\n" +
				"  hint: add the user to the members, or remove the name from the acl\n" +
				"d.yaml:8:6: projects[0].topics[0].acl[1]: expected a string, found null\n" +
				"  hint: leave the key out, or give it a value",
		},
		{
			"a name that cannot be decoded does not make references dangle",
			"users:\n- name: 7\nprojects:\n- name: p\n  account: A\n  members:\n  - user: a\n    roles: [consumer]",
			"d.yaml:2:9: users[0].name: expected a string, found an integer\n  hint: quote it",
		},
		{
			"nor do users that cannot be decoded",
			"users: none\nprojects:\n- name: p\n  account: A\n  members:\n  - user: a\n    roles: [consumer]",
			"d.yaml:1:8: users: expected a list of mappings, found a string\n  hint: put it in brackets for a list of one",
		},
		{"syntax", "users: [", "d.yaml:2:1: not valid YAML: did not find expected node content while parsing a flow node"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := load(t, tt.doc); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	got := load(t, `users:
  - name: alice
    enabled: yes
    keys:
      - digest: sha256:12
        networks: [10.0.0.1/8]
      - digest: `+digestA+`
        expires: tomorrow
        colour: red
  - name: bob
    service_roles: [king]
    service_roles: [ingest]
  - name: alice
projects:
  - name: demo
    account: 12
    members:
      - user: alice
        roles: [publisher]
    topics:
      - name: orders
        acl: [eve]
    subscriptions:
      - name: billing
        topic: order
`)
	want := `d.yaml:3:14: users[0].enabled: expected true or false, found "yes"
  hint: write true
d.yaml:5:17: users[0].keys[0].digest: expected sha256: and 64 hex digits
d.yaml:6:20: users[0].keys[0].networks[0]: "10.0.0.1/8" has bits set beyond its prefix length
  hint: did you mean 10.0.0.0/8?
d.yaml:8:18: users[0].keys[1].expires: expected an RFC 3339 time such as 2026-01-31T00:00:00Z, found "tomorrow"
  hint: write date, time and offset, with a T between date and time
d.yaml:9:9: users[0].keys[1].colour: unknown key
  hint: known keys: digest, id, enabled, not_before, expires, networks, created_on
d.yaml:12:5: users[1].service_roles: duplicate key, the first is on line 11
d.yaml:13:11: users[2].name: user "alice" is already defined at index 0
d.yaml:16:14: projects[0].account: expected a string, found an integer
  hint: quote it
d.yaml:22:15: projects[0].topics[0].acl[0]: user "eve" is not a member of project "demo"
  hint: add the user to the members, or remove the name from the acl
d.yaml:25:16: projects[0].subscriptions[0].topic: project "demo" has no topic "order"
  hint: did you mean "orders"?`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := strings.Count("\n"+got, "\nd.yaml:"); n != 10 {
		t.Errorf("%d faults, want 10", n)
	}
}

func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, doc := range []string{
		"", "users: []", "users:\n- name: a\n  keys:\n  - digest: " + digestA + "\n  - digest: " + digestB + "\n    enabled: false",
		"users:\n- {name: a, limits: {connection_types: [mqtt, leafnode_ws]}}",
		"projects:\n- name: p\n  account: A\n  topics:\n  - {name: t, subject: x.y, acl: [b]}", "users:\n- digest: " + rawKey,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, src, err := file.Parse("d.yaml", data)
		if src == nil {
			t.Fatal("no Source")
		}
		var all strictyaml.Errors
		if err != nil && !errors.As(err, &all) {
			t.Fatalf("not strictyaml.Errors: %v", err)
		}
		second, _, again := file.Parse("d.yaml", data)
		if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(err, again) {
			t.Fatal("the same text is parsed in two ways")
		}
		one, err := snapshot.New(first)
		var problems directory.Problems
		if err != nil && !errors.As(err, &problems) {
			t.Fatalf("not Problems: %v", err)
		}
		for _, p := range problems {
			if e := src.Errorf(p.Path, p.Hint, "%s", p.Message); e.Line < 1 {
				t.Fatalf("no line for %v", p)
			}
		}
		if err != nil {
			return
		}
		other, err := snapshot.New(second)
		if err != nil || !reflect.DeepEqual(one, other) {
			t.Fatalf("the same records make two snapshots: %v", err)
		}
	})
}
