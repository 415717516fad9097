package config_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"usher/app/config"
)

func TestFaults(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", `usher.yaml:1:1: accounts.callout: is missing
  hint: auth_callout.account in the server's configuration; $G if that is not set
usher.yaml:1:1: accounts.system: is missing
  hint: system_account in the server's configuration; $SYS if that is not set
usher.yaml:1:1: keyring.dir: is missing
  hint: usher init creates a keyring
usher.yaml:1:1: directory.file: is missing
  hint: usher init writes an example`},
		{"section without its required key", "keyring: {}\ndirectory: {file: \"\"}", `usher.yaml:1:1: keyring.dir: is missing
  hint: usher init creates a keyring
usher.yaml:1:1: accounts.callout: is missing
  hint: auth_callout.account in the server's configuration; $G if that is not set
usher.yaml:1:1: accounts.system: is missing
  hint: system_account in the server's configuration; $SYS if that is not set
usher.yaml:2:19: directory.file: must not be empty`},
		{"scalar instead of a section", "keyring: keys\ndirectory:\n", `usher.yaml:1:1: accounts.callout: is missing
  hint: auth_callout.account in the server's configuration; $G if that is not set
usher.yaml:1:1: accounts.system: is missing
  hint: system_account in the server's configuration; $SYS if that is not set
usher.yaml:1:10: keyring: expected a mapping, found a string
usher.yaml:2:1: directory: expected a mapping, found null
  hint: leave the key out, or give it a value`},
		{"not YAML", "nats: [", "usher.yaml:2:1: not valid YAML: did not find expected node content while parsing a flow node"},
		{"unknown key", required + "nats: {url: nats://a}", `usher.yaml:4:8: nats.url: unknown key
  hint: did you mean "urls"?`},
		{"misspelled section, reported once", "accounts: {callout: AUTH, system: SYS}\nkeyring: {dir: k}\ndirectry: {file: d}", `usher.yaml:3:1: directry: unknown key
  hint: did you mean "directory"?`},
		{"misspelled key, reported once", "accounts: {callout: AUTH, system: SYS}\nkeyring: {dri: k}\ndirectory: {file: d}", `usher.yaml:2:11: keyring.dri: unknown key
  hint: did you mean "dir"?`},
		{"secret key in place of a file key", required + "nats: {user: u, password: p}", `usher.yaml:4:17: nats.password: unknown key
  hint: did you mean "password_file"?`},
		{"several faults", `nats: {urls: [nats://a:1, "http://b"], connections: 65, user: u}
accounts: {callout: A, ingest: A}
callout: {budget: 11s, queue: 0, clock_skew: -1s}
http: {listen: 127.0.0.1}
log: {level: warning}
`, `usher.yaml:1:1: keyring.dir: is missing
  hint: usher init creates a keyring
usher.yaml:1:1: directory.file: is missing
  hint: usher init writes an example
usher.yaml:1:27: nats.urls[1]: expected scheme nats, tls, ws or wss
  hint: write it as nats://127.0.0.1:4222
usher.yaml:1:53: nats.connections: must be from 1 to 64, is 65
usher.yaml:1:63: nats.user: needs nats.password_file
  hint: set both or neither
usher.yaml:2:1: accounts.system: is missing
  hint: system_account in the server's configuration; $SYS if that is not set
usher.yaml:2:32: accounts.ingest: is the same account as accounts.callout ("A")
  hint: usher never places a client in the account that auth_callout names; use another account
usher.yaml:3:19: callout.budget: must be at most 10s, is 11s
  hint: nats.go gives up after 2s whatever the server allows
usher.yaml:3:31: callout.queue: must be from 1 to 1000000, is 0
usher.yaml:3:46: callout.clock_skew: must be 0 or more, is -1s
usher.yaml:4:16: http.listen: expected host:port, found "127.0.0.1"
  hint: write 127.0.0.1:9778, or :9778 for all addresses of the machine
usher.yaml:5:14: log.level: expected one of debug, info, warn, error, found "warning"`},
		{"secret in a URL", required + "nats: {urls: [nats://me:secret@a]}", `usher.yaml:4:15: nats.urls[0]: a URL must not contain a user name or password
  hint: use nats.user with nats.password_file, nats.nkey_file or nats.creds_file, and replace the secret, since it stood in a file`},
		{"mixed schemes, reported once", required + "nats: {urls: [nats://a, ws://b, ws://c]}", `usher.yaml:4:25: nats.urls[1]: the list mixes WebSocket and plain NATS URLs
  hint: use either ws and wss URLs, or nats and tls URLs`},
		{
			"every authentication method", required + "nats: {user: u, password_file: p, nkey_file: n, creds_file: c}",
			`usher.yaml:4:46: nats.nkey_file: conflicts with nats.user
  hint: keep one of: nats.user with nats.password_file; nats.nkey_file; nats.creds_file
usher.yaml:4:61: nats.creds_file: conflicts with nats.user
  hint: keep one of: nats.user with nats.password_file; nats.nkey_file; nats.creds_file`,
		},
		{"password without user", required + "nats: {password_file: p}", `usher.yaml:4:23: nats.password_file: needs nats.user
  hint: set both or neither`},
		{
			"no further fault of a key with a wrong type", required + "nats: {user: 5, password_file: p}",
			"usher.yaml:4:14: nats.user: expected a string, found an integer\n  hint: quote it",
		},
		{
			"no further fault of a key with an invalid value", required + "audit: {to: File, file: f}",
			"usher.yaml:4:13: audit.to: expected one of stderr, file, stream, off, found \"File\"\n  hint: did you mean \"file\"?",
		},
		{"certificate without key", required + "nats: {tls: {cert_file: c}}", `usher.yaml:4:25: nats.tls.cert_file: needs nats.tls.key_file
  hint: set both or neither`},
		{
			"credentials that would accept nobody, or everybody", required + "credentials: {natsjwt: {enabled: true, bearer: true, dir: d}, anonymous: {networks: [10.1.0.0/8]}}",
			`usher.yaml:4:34: credentials.natsjwt.enabled: needs credentials.natsjwt.accounts or credentials.natsjwt.operators, which say whose user JWTs are accepted
  hint: set credentials.natsjwt.accounts
usher.yaml:4:48: credentials.natsjwt.bearer: needs credentials.natsjwt.sentinels, because their JWTs would be accepted otherwise
  hint: set credentials.natsjwt.sentinels
usher.yaml:4:59: credentials.natsjwt.dir: needs credentials.natsjwt.operators
  hint: set both or neither
usher.yaml:4:86: credentials.anonymous.networks[0]: "10.1.0.0/8" has bits beyond its length
  hint: write 10.0.0.0/8`,
		},
		{"key without certificate", required + "nats: {tls: {key_file: k}}", `usher.yaml:4:24: nats.tls.key_file: needs nats.tls.cert_file
  hint: set both or neither`},
		{
			"callout in the system account", files + "accounts: {callout: $SYS, system: $SYS}",
			`usher.yaml:3:35: accounts.system: is the same account as accounts.callout ("$SYS")
  hint: auth_callout cannot be in the system account; use another account`,
		},
		{
			"clients in the callout account", files + "accounts: {callout: $G, system: S, ingest: $G, service_admin: $G, healthcheck: $G}\nhealthcheck: {token_file: t}",
			`usher.yaml:3:44: accounts.ingest: is the same account as accounts.callout ("$G")
  hint: usher never places a client in the account that auth_callout names; use another account
usher.yaml:3:63: accounts.service_admin: is the same account as accounts.callout ("$G")
  hint: usher never places a client in the account that auth_callout names; use another account
usher.yaml:3:80: accounts.healthcheck: is the same account as accounts.callout ("$G")
  hint: usher never places a client in the account that auth_callout names; use another account`,
		},
		{"health check without a token", files + "accounts: {callout: AUTH, system: SYS, healthcheck: HC}", `usher.yaml:3:53: accounts.healthcheck: needs healthcheck.token_file
  hint: set both or neither`},
		{"token without a health check", required + "healthcheck: {token_file: t}", `usher.yaml:4:27: healthcheck.token_file: needs accounts.healthcheck
  hint: set both or neither`},
		{"password in the URL of the collector", required + "tracing: {endpoint: 'https://me:secret@a'}", `usher.yaml:4:21: tracing.endpoint: a URL must not contain a user name or password
  hint: use tracing.headers_file, and replace the secret, since it stood in a file`},
		{"collector with a path that usher appends", required + "tracing: {endpoint: 'http://a:4318/v1/traces'}", `usher.yaml:4:21: tracing.endpoint: ends in /v1/traces, which usher appends
  hint: leave /v1/traces out`},
		{"headers without a collector", required + "tracing: {headers_file: h}", `usher.yaml:4:25: tracing.headers_file: needs tracing.endpoint
  hint: set it, or leave tracing.headers_file out`},
		{"headers in cleartext", required + "tracing: {endpoint: 'http://a:4318', headers_file: h}", `usher.yaml:4:52: tracing.headers_file: would be sent in cleartext to another machine
  hint: use an https URL for tracing.endpoint`},
		{"TLS for a collector in cleartext", required + "tracing: {endpoint: 'http://a:4318', tls: {ca_file: c}}", `usher.yaml:4:53: tracing.tls.ca_file: is set, but tracing.endpoint does not begin with https:
  hint: change the endpoint, or leave tracing.tls.ca_file out`},
		{"audit to no file", required + "audit: {to: file}", `usher.yaml:4:13: audit.to: needs audit.file
  hint: set audit.file, or choose another value`},
		{"audit file without audit to it", required + "audit: {file: a}", `usher.yaml:4:15: audit.file: is set, but audit.to is "stderr"
  hint: set audit.to to one of file, stream; or leave audit.file out`},
		{"directory file missing", live + "directory: {from: file}", `usher.yaml:3:19: directory.from: needs directory.file
  hint: set directory.file, or choose another value`},
		{"directory file missing by default", live + "directory: {create_bucket: true}", `usher.yaml:3:1: directory.file: is missing
  hint: usher init writes an example`},
		{"file and bucket", live + "directory: {from: kv, file: d}", `usher.yaml:3:29: directory.file: is set, but directory.from is "kv"
  hint: set directory.from: file, or leave directory.file out`},
		{"embedded server without store_dir", live + "directory: {from: embedded}", `usher.yaml:3:19: directory.from: needs directory.store_dir
  hint: set directory.store_dir, or choose another value`},
		{"store_dir without embedded server", live + "directory: {from: kv, store_dir: s}", `usher.yaml:3:34: directory.store_dir: is set, but directory.from is "kv"
  hint: set directory.from: embedded, or leave directory.store_dir out`},
		{"settings that do not apply to an embedded server", live + "directory: {from: embedded, store_dir: s, replicas: 3, create_bucket: false, storage: memory}", `usher.yaml:3:53: directory.replicas: is set, but directory.from is "embedded"
  hint: the embedded server is a single server; set directory.from: kv for a bucket in a cluster
usher.yaml:3:71: directory.create_bucket: is set, but directory.from is "embedded"
  hint: leave it out: the embedded server creates the bucket, with file storage; or set directory.from: kv
usher.yaml:3:87: directory.storage: is set, but directory.from is "embedded"
  hint: leave it out: the embedded server creates the bucket, with file storage; or set directory.from: kv`},
		{
			"settings that do not apply to a file", live + "directory: {file: d, bucket: b, create_bucket: false, replicas: 3, storage: memory, snapshot_file: s}",
			`usher.yaml:3:30: directory.bucket: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out
usher.yaml:3:48: directory.create_bucket: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out
usher.yaml:3:65: directory.replicas: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out
usher.yaml:3:77: directory.storage: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out
usher.yaml:3:100: directory.snapshot_file: is set, but directory.from is "file"
  hint: leave it out: a directory file needs no snapshot`,
		},
		{"API key file without certificate", live + "directory: {from: kv}\napi: {tls: {key_file: k}}", `usher.yaml:4:23: api.tls.key_file: needs api.tls.cert_file
  hint: set both or neither`},
		{"cleartext on all addresses", live + "directory: {from: kv}\napi: {listen: ':9779'}", cleartextFault(":9779")},
		{"cleartext on one address", live + "directory: {from: kv}\napi: {listen: '192.0.2.1:9779'}", cleartextFault("192.0.2.1:9779")},
		{"cleartext on a host name", live + "directory: {from: kv}\napi: {listen: 'localhost.example:9779', allow_cleartext: false}", cleartextFault("localhost.example:9779")},
		{"bucket sizes with a file", live + "directory: {file: d, max_bytes: 20000000, max_project_bytes: 70000}", `usher.yaml:3:33: directory.max_bytes: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out
usher.yaml:3:62: directory.max_project_bytes: is set, but directory.from is "file"
  hint: set directory.from: kv, or leave it out`},
		{"max_project_bytes above max_bytes", live + "directory: {from: kv, max_bytes: 20000000}", `usher.yaml:3:1: directory.max_project_bytes: is 33554432, more than directory.max_bytes, which is 20000000
  hint: lower directory.max_project_bytes or raise directory.max_bytes`},
		{"max_bytes below its minimum", live + "directory: {from: kv, max_bytes: 1000000}", `usher.yaml:3:34: directory.max_bytes: must be from 16777216 to 1099511627776, is 1000000`},
		{"empty bucket name", live + `directory: {from: kv, bucket: ""}`, `usher.yaml:3:31: directory.bucket: must not be empty
  hint: leave the key out for its default`},
		{"empty account", files + `accounts: {callout: "", system: SYS}`, "usher.yaml:3:21: accounts.callout: must not be empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := faults(t, tt.text); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// cleartextFault is the error of an api.listen on line 4.
func cleartextFault(address string) string {
	return fmt.Sprintf(`usher.yaml:4:15: api.listen: %q is reachable from other machines, which would send API keys in cleartext
  hint: set api.tls, or listen on 127.0.0.1; api.allow_cleartext: true if a proxy terminates TLS`, address)
}

// nested returns a document with one key; the path may lead through lists.
func nested(path, value string) string {
	key, rest, _ := strings.Cut(path, ".")
	list, isList := strings.CutSuffix(key, "[]")
	switch {
	case isList:
		return list + ": [{" + nested(rest, value) + "}]"
	case rest != "":
		return key + ": {" + nested(rest, value) + "}"
	default:
		return key + ": " + value
	}
}

// TestSecretsAreNotShown: no error quotes a secret. In place of a name, a path or an
// address the error says that the value looks like a secret.
//
// Attack: an error quotes a secret that is in the wrong place of usher.yaml
// Held by: a value that looks like a secret is reported as one and never shown
func TestSecretsAreNotShown(t *testing.T) {
	const hint = "\n  hint: replace that secret, since it stood in a file"
	secrets := map[string]string{ // invented, in the format of real ones
		"API key": "usher_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHI",
		"token":   "HEALTHCHECK-0123456789abcdefghijklmnopqrstuvwxyz",
		"seed":    "SUABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWX",
	}
	kinds := slices.Sorted(maps.Keys(secrets))
	for n, k := range config.Keys() {
		for i, kind := range kinds {
			text := secrets[kind]
			// Each key gets every secret alone, and one of them in each other form.
			forms := []string{text, "/x/" + text, "nats://" + text + "@h", "[" + text + "]", "[nats://" + text + ":4222]", text + ":80"}
			for form, value := range forms {
				if form > 0 && (n+form)%len(kinds) != i {
					continue
				}
				_, err := config.Parse("usher.yaml", []byte(nested(k.Path, value)))
				if err == nil || strings.Contains(err.Error(), text[12:]) {
					t.Errorf("%s in %s: %v", kind, k.Path, err)
				}
				if k.Type == "string" && value == text && !strings.Contains(err.Error(), strings.ReplaceAll(k.Path, "[]", "[0]")+": ") {
					t.Errorf("%s as %s is accepted: %v", kind, k.Path, err)
				}
			}
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"nats: {nkey_file: " + secrets["seed"] + "}", "usher.yaml:4:19: nats.nkey_file: looks like a secret, found where a path belongs"},
		{"nats: {nkey_file: /run/" + secrets["seed"] + "}", "usher.yaml:4:19: nats.nkey_file: looks like a secret, found where a path belongs"},
		{"nats: {user: " + secrets["API key"] + ", password_file: p}", "usher.yaml:4:14: nats.user: looks like a secret, found where a name belongs"},
		{"nats: {tls: {server_name: " + secrets["API key"] + "}}", "usher.yaml:4:27: nats.tls.server_name: looks like a secret, found where a host name belongs"},
		{"nats: {urls: ['nats://" + secrets["API key"] + "']}", "usher.yaml:4:15: nats.urls[0]: looks like a secret, found where a URL belongs"},
		{"tracing: {endpoint: 'http://" + secrets["API key"] + "'}", "usher.yaml:4:21: tracing.endpoint: looks like a secret, found where a URL belongs"},
		{"http: {listen: '" + secrets["API key"] + ":80'}", "usher.yaml:4:16: http.listen: looks like a secret, found where an address belongs"},
	} {
		if got := faults(t, required+tt.text); got != tt.want+hint {
			t.Errorf("got  %s\nwant %s", got, tt.want+hint)
		}
	}
	bucket := faults(t, live+"directory: {from: kv, bucket: "+secrets["API key"]+"}")
	if want := "usher.yaml:3:31: directory.bucket: looks like a secret, found where a name belongs" + hint; bucket != want {
		t.Errorf("got  %s\nwant %s", bucket, want)
	}
	got := faults(t, files+"accounts: {callout: AUTH, system: SYS, ingest: "+secrets["API key"]+"}")
	if want := "usher.yaml:3:48: accounts.ingest: looks like a secret, found where a name belongs" + hint; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
