package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// checked is what "usher check --json" found.
type checked struct {
	code     int
	Findings []finding `json:"findings"`
}

func checkLive(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, unanswered)
}

// checkRefused is checkLive where the service user is kept waiting and is not let in.
func checkRefused(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, late)
}

// checkOnce is checkLive where a server does not answer the service user.
func checkOnce(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, func(string) bool { return false })
}

// checkAgain checks until nothing is missed.
func checkAgain(t *testing.T, configFile string, missed func(string) bool) checked {
	t.Helper()
	var c checked
	for range attempts {
		code, stdout, stderr := usher(t, "check", "-c", configFile, "--json")
		c = checked{code: code}
		if err := json.Unmarshal([]byte(stdout), &c); err != nil {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		if !findings(c.Findings).missed(missed) {
			break
		}
		t.Logf("again, since something came late: %+v", c.Findings)
	}
	return c
}

// says holds the exit code, and that a check had this result with this detail.
func (c checked) says(t *testing.T, code int, check, result, detail string) {
	t.Helper()
	found := slices.ContainsFunc(c.Findings, func(f finding) bool {
		return f.Check == check && f.Result == result && strings.Contains(f.Detail, detail)
	})
	if c.code != code || !found {
		t.Errorf("exit code %d, not %d; or no %s of %s with %q:\n%+v", c.code, code, result, check, detail, c.Findings)
	}
	for _, f := range c.Findings {
		if f.Check != "directory" && f.Result == "error" && f.Hint == "" {
			t.Errorf("no way out is named for %+v", f)
		}
	}
}

// hints fails the test unless a check that found an error has a hint.
func (c checked) hints(t *testing.T, check, hint string) {
	t.Helper()
	if !slices.ContainsFunc(c.Findings, func(f finding) bool { return f.Check == check && f.Result == "error" && f.Hint == hint }) {
		t.Errorf("no hint of %s is %q:\n%+v", check, hint, c.Findings)
	}
}

// configFor writes an installation's files that fit a server of the harness.
func configFor(t *testing.T, srv *callouttest.Server, keyring string, more map[string]string) string {
	t.Helper()
	values := map[string]string{
		"nats.urls": "[" + srv.URL() + "]", "nats.user": callouttest.ServiceUser, "nats.password_file": "password",
		"accounts.callout": callouttest.CalloutAccount, "accounts.system": callouttest.SystemAccount,
		"accounts.ingest": callouttest.AppAccount, "accounts.service_admin": callouttest.AppAccount,
		"accounts.healthcheck": callouttest.HealthAccount, "healthcheck.token_file": "healthcheck.token",
		"keyring.dir": keyring, "directory.file": "directory.yaml", "http.listen": "127.0.0.1:0",
	}
	for k, v := range more {
		values[k] = v
	}
	text, err := config.Example(values)
	callouttest.Must(t, err)
	dir := t.TempDir()
	callouttest.Must(t, replaceFile(filepath.Join(dir, "usher.yaml"), text))
	callouttest.Must(t, replaceFile(filepath.Join(dir, "password"), []byte(callouttest.Password+"\n")))
	callouttest.Must(t, replaceFile(filepath.Join(dir, "directory.yaml"), []byte(callouttest.WithDigests(callouttest.DirectoryYAML))))
	return filepath.Join(dir, "usher.yaml")
}

func TestCheckLive(t *testing.T) {
	t.Parallel()
	mine, other := callouttest.NewKeys(t), callouttest.NewKeys(t)
	mixed := func(issuer, xkey callouttest.Keys) callouttest.Keys {
		issuer.XKey, issuer.XKeySeed = xkey.XKey, xkey.XKeySeed
		return issuer
	}
	for name, c := range map[string]struct {
		server                callouttest.ServerConfig
		plainKeyring          bool
		config                map[string]string
		code                  int
		check, result, detail string
		hint                  string // a part of it
	}{
		"all is well": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true},
			code:   exitOK, check: "xkey", result: "ok", detail: "sealed",
		},
		"in the clear, and no xkey": {
			server: callouttest.ServerConfig{Keys: mine}, plainKeyring: true,
			code: exitOK, check: "xkey", result: "warning", detail: "in the clear",
		},
		"in the clear, and an xkey": {
			server: callouttest.ServerConfig{Keys: mine},
			code:   exitConfig, check: "xkey", result: "error", detail: "asks in the clear",
		},
		"another issuer": {
			server: callouttest.ServerConfig{Keys: mixed(other, mine), Sealed: true},
			code:   exitConfig, check: "issuer", result: "error", detail: other.Issuer,
		},
		"another xkey": {
			server: callouttest.ServerConfig{Keys: mixed(mine, other), Sealed: true},
			code:   exitConfig, check: "xkey", result: "error", detail: "not in the keyring", hint: ", or set auth_callout.xkey to " + mine.XKey,
		},
		"sealed, and no xkey": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, plainKeyring: true,
			code: exitConfig, check: "xkey", result: "error", detail: "not in the keyring",
		},
		"no auth_callout": {
			server: callouttest.ServerConfig{Keys: mine, NoCallout: true},
			code:   exitConfig, check: "callout", result: "error", detail: "not active",
		},
		"the server gives up too soon": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 1},
			code:   exitConfig, check: "timeout", result: "error", detail: "gives up after",
		},
		"the service user is refused": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, config: map[string]string{"nats.user": "nobody"},
			code: exitConfig, check: "connect", result: "error", detail: "refuses the service user", hint: "auth_callout.auth_users; nats.password_file has to hold its password",
		},
		"the service user is refused, and late": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 3}, config: map[string]string{"nats.user": "nobody"},
			code: exitConfig, check: "connect", result: "error", detail: "refuses the service user", hint: "auth_callout.auth_users; nats.password_file has to hold its password",
		},
		"the service user is in another account": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, config: map[string]string{"nats.user": callouttest.AdminUser},
			code: exitConfig, check: "account", result: "error", detail: `in account "APP"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := callouttest.StartServer(t, c.server)
			file := configFor(t, srv, callouttest.KeyringDir(t, !c.plainKeyring, mine), c.config)
			look := checkLive
			if c.check == "connect" {
				look = checkRefused
			}
			found := look(t, file)
			found.says(t, c.code, c.check, c.result, c.detail)
			if !slices.ContainsFunc(found.Findings, func(f finding) bool { return f.Check == c.check && strings.Contains(f.Hint, c.hint) }) {
				t.Errorf("no hint %q: %+v", c.hint, found.Findings)
			}
		})
	}
}

// TestCheckServerDown: what cannot be reached says nothing about the configuration.
func TestCheckServerDown(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	checkLive(t, in.config()).says(t, exitRuntime, "connect", "error", "no servers available")
	// Unless that is wrong as well.
	in.write(t, setup.FileDirectory, "users: [{name: a.b}]\nprojects: []\n")
	checkLive(t, in.config()).says(t, exitConfig, "connect", "error", "no servers available")
}

// TestCheckNotAnAuthUser: a service user that the server asks usher about can
// never connect.
func TestCheckNotAnAuthUser(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.edit(t, setup.FileServerConfig, "auth_users: [ usher, usher-system ]", "auth_users: [ somebody ]")
	in.natsServer(t)
	// What nats.go makes of it depends on what it was just waiting for.
	checkRefused(t, in.config()).says(t, exitConfig, "connect", "error", "nats: ")
}

// TestCheckOpenServer: a server without any authorization lets everybody in.
func TestCheckOpenServer(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.write(t, setup.FileServerConfig, "listen: "+strings.TrimPrefix(in.url, "nats://")+"\n")
	in.edit(t, setup.FileConfig, "callout: AUTH", "callout: $G")
	in.natsServer(t)
	checkLive(t, in.config()).says(t, exitConfig, "callout", "error", "got in")
}

// TestCheckBesideUsher: the look at the server disturbs no running usher, and is
// not disturbed by one.
func TestCheckBesideUsher(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.natsServer(t)
	c := checkLive(t, in.config())
	c.says(t, exitOK, "clock", "ok", "apart")
	c.says(t, exitOK, "service", "warning", "no usher answers")
	in.write(t, setup.FileDirectory, aliceDirectory())
	in.serve(t)
	for range 3 {
		// One is enough to be ready, and answers are not waited for for long.
		callouttest.Eventually(t, "all connections of usher answer", func() bool {
			c = checkLive(t, in.config())
			return slices.ContainsFunc(c.Findings, func(f finding) bool {
				return f.Check == "service" && f.Result == "ok" && f.Detail == "4 connections of usher in AUTH; with this configuration each usher makes 4"
			})
		})
		c.says(t, exitOK, "issuer", "ok", "usher-nats")
		c.says(t, exitOK, "timeout", "ok", "about")
	}
	if code := in.try(t); code != exitOK {
		t.Errorf("alice was refused afterwards: exit code %d", code)
	}
	code, stdout, _ := answered(t, "check", "-c", in.config())
	if code != exitOK || !strings.Contains(stdout, "ok      connect "+in.url+": as service user, to server usher-nats") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}
