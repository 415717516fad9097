package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"

	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// explainOf runs "usher explain" for a key of callouttest.DirectoryYAML.
func explainOf(t *testing.T, config, key string, args ...string) (code int, out string) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	callouttest.Must(t, os.WriteFile(token, []byte(key+"\n"), 0o600))
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"usher", "explain", "-c", config, "--token-file", token}, args...), &stdout, &stderr)
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", &stderr)
	}
	return code, stdout.String()
}

// A grant of a scope is explained as far as usher knows it. usher does not guess what the
// template says.
func TestExplainScope(t *testing.T) {
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{Scoped: map[string]jwt.UserPermissionLimits{"publisher": {}}})
	dir := t.TempDir()
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, "directory.yaml"), []byte(callouttest.WithDigests(callouttest.DirectoryYAML)), 0o600))
	write := func(scopes string) string {
		path := filepath.Join(dir, "usher.yaml")
		callouttest.Must(t, os.WriteFile(path, fmt.Appendf(nil, "nats: {mode: operator}\naccounts: {callout: AUTH, system: SYS, ingest: APP, scopes: [%s]}\nkeyring: {dir: %q}\ndirectory: {file: directory.yaml}\n",
			scopes, filepath.ToSlash(o.Keyring)), 0o600))
		return path
	}
	config := write("APP/publisher")

	code, out := explainOf(t, config, "publisher-key")
	for _, want := range []string{
		"outcome   granted\n",
		"account   APP\n",
		"scope     publisher: the permissions come from the template of APP's scoped signing key\n",
		"inbox     _INBOX_publisher, if the template allows it\n",
		"tags      key:laptop, method:apikey, project:shop, role:publisher\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if code != cmdutil.ExitOK || strings.Contains(out, "\npublish ") || strings.Contains(out, "\nsubscribe ") {
		t.Errorf("exit code %d\n%s", code, out)
	}

	code, out = explainOf(t, config, "publisher-key", "--publish", "shop.orders", "--subscribe", "lab.>")
	if code != cmdutil.ExitRuntime || strings.Count(out, ": unknown, the template in the account JWT decides\n") != 2 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	code, out = explainOf(t, config, "publisher-key", "--publish", "shop.orders", "--json")
	for _, want := range []string{`"scope": "publisher"`, `"rules": []`, `"unknown": true`, `"allowed": false`} {
		if code != cmdutil.ExitRuntime || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and %s is missing in\n%s", code, want, out)
		}
	}
	// A scoped signing key's template has no networks; those of the user still apply.
	if _, out = explainOf(t, config, "here-key", "--host", "127.0.0.1"); !strings.Contains(out, "networks  127.0.0.0/8\n") {
		t.Errorf("no networks in\n%s", out)
	}
	// A user with another role has rules and answers.
	code, out = explainOf(t, config, "consumer-key", "--publish", "shop.orders")
	if code != cmdutil.ExitDenied || strings.Contains(out, "scope ") || !strings.Contains(out, "shop.orders: no, nothing allows it\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if code, out = explainOf(t, config, "both-key", "--user", "project=shop"); code != cmdutil.ExitDenied || !strings.Contains(out, "denied (ambiguous_scope)") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// A scope without a key: granted, and nobody would sign it.
	code, out = explainOf(t, write("APP/consumer"), "consumer-key")
	if code != cmdutil.ExitRuntime || !strings.Contains(out, "unavailable (no_signing_key)") || !strings.Contains(out, "no signing key for APP, scope consumer\n") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
