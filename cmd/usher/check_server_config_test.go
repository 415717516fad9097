package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestCheckServerConfig: check finds faults in a nats-server.conf that a live server does
// not report, above all static users that bypass usher.
//
// Attack: a static user of nats-server.conf bypasses usher and every ACL
// Held by: usher check --server-config lists every user that the server authorizes without usher
func TestCheckServerConfig(t *testing.T) {
	t.Parallel()
	other := callouttest.NewKeys(t)
	recreated := filepath.Join(t.TempDir(), setup.DirJetStream)
	callouttest.Must(t, os.Mkdir(recreated, 0o700))
	for name, c := range map[string]struct {
		old, replacement string
		args             []string
		code             int
		severity         finding.Severity
		detail           string
	}{
		"as usher init makes it": {code: cmdutil.ExitOK, severity: "ok", detail: "asks usher about every client except usher, usher-system, usher-sessions"},
		"no auth_callout":        {old: "auth_callout {", replacement: "auth_callout_was {", code: cmdutil.ExitConfig, severity: "error", detail: "unknown field"},
		"a user of auth_users": {
			old: "HEALTH {}", replacement: "HEALTH { users: [ { user: backup, password: x } ] }", code: cmdutil.ExitOK, severity: "ok", detail: "asks usher",
		},
		"one that is not asked about": {
			old: "auth_users: [ usher, usher-system, usher-sessions ]", replacement: "auth_users: [ usher, usher-system, usher-sessions, guest ]",
			code: cmdutil.ExitOK, severity: "warning", detail: "the server accepts 1 user of the file without asking usher: guest in HEALTH (one of auth_users)",
		},
		"an account that is not delegated": {
			old: "auth_users:", replacement: "allowed_accounts: [ APP ]\n    auth_users:",
			code: cmdutil.ExitOK, severity: "warning", detail: "guest in HEALTH (its account is not in allowed_accounts)",
		},
		"a no_auth_user past usher": {
			old: "system_account:", replacement: "no_auth_user: usher\nsystem_account:",
			code: cmdutil.ExitConfig, severity: "error", detail: "no_auth_user is usher of AUTH",
		},
		"an account is missing": {
			old: "  HEALTH {", replacement: "  SICK {", code: cmdutil.ExitConfig, severity: "error", detail: "has no account HEALTH: the server refuses clients that use it (accounts.healthcheck)",
		},
		"another callout account": {
			old: "account: AUTH", replacement: "account: APP", code: cmdutil.ExitConfig, severity: "error", detail: "auth_callout.account is APP, but accounts.callout is AUTH",
		},
		"another issuer": {
			old: "issuer: ", replacement: "issuer: " + other.Issuer + " # ", code: cmdutil.ExitConfig, severity: "error", detail: "auth_callout.issuer is " + other.Issuer,
		},
		"another xkey": {
			old: "xkey: ", replacement: "xkey: " + other.XKey + " # ", code: cmdutil.ExitConfig, severity: "error", detail: "auth_callout.xkey is " + other.XKey,
		},
		"a relative store_dir": {
			old: "store_dir: ", replacement: "store_dir: jetstream } # ", code: cmdutil.ExitOK, severity: "warning", detail: "store_dir jetstream is relative: nats-server resolves it from its working directory",
		},
		"a folder that was moved": {
			old: "store_dir: ", replacement: "store_dir: /old/jetstream } # ", code: cmdutil.ExitOK, severity: "warning", detail: "store_dir /old/jetstream does not exist, but ",
		},
		"a folder that was moved with a new store at its old place": {
			old: "store_dir: ", replacement: "store_dir: \"" + filepath.ToSlash(recreated) + "\" } # ", code: cmdutil.ExitOK, severity: "warning", detail: "has data, which nats-server does not use",
		},
		"no xkey": {old: "xkey: ", replacement: "# ", code: cmdutil.ExitConfig, severity: "error", detail: "has no auth_callout.xkey"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t)
			if !strings.HasPrefix(c.detail, "asks usher about every") && c.old != "HEALTH {}" && c.old != "  HEALTH {" {
				in.Edit(t, setup.FileServerConfig, "HEALTH {}", "HEALTH { users: [ { user: guest, password: guest } ] }")
			}
			if c.old != "" {
				in.Edit(t, setup.FileServerConfig, c.old, c.replacement)
			}
			callouttest.Must(t, os.MkdirAll(filepath.Join(in.Path(setup.DirJetStream), "jetstream"), 0o700))
			code, stdout, stderr := usher(t, "check", "-c", in.Config(), "--offline", "--json", "--server-config", in.Path(setup.FileServerConfig))
			found := checked{code: code}
			if err := json.Unmarshal([]byte(stdout), &found); err != nil {
				t.Fatalf("%v\n%s%s", err, stdout, stderr)
			}
			found.finds(t, c.code, "server config", c.severity, c.detail)
		})
	}
}
