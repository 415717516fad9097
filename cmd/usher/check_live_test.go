package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"usher/app/checkup/finding"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// checked is what "usher check --json" found.
type checked struct {
	code     int
	Findings []finding.Finding `json:"findings"`
}

// checkLive runs "usher check --json", and repeats it while a client is not answered in time.
func checkLive(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, apptest.Unanswered)
}

// checkRefused is checkLive for a service user whose connection is denied after a
// timeout.
func checkRefused(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, apptest.Late)
}

// checkOnce is checkLive without retries, for a server that does not reply to the service
// user.
func checkOnce(t *testing.T, configFile string) checked {
	t.Helper()
	return checkAgain(t, configFile, func(string) bool { return false })
}

// checkAgain repeats the check until no part of it timed out.
func checkAgain(t *testing.T, configFile string, isTimeout func(string) bool) checked {
	t.Helper()
	var c checked
	for range apptest.Attempts {
		code, stdout, stderr := usher(t, "check", "-c", configFile, "--json")
		c = checked{code: code}
		if err := json.Unmarshal([]byte(stdout), &c); err != nil {
			t.Fatalf("%v\n%s%s", err, stdout, stderr)
		}
		if !checkTimedOut(c.Findings, isTimeout) {
			break
		}
		t.Logf("a check timed out, trying again: %+v", c.Findings)
	}
	return c
}

// finds checks the exit code, and that a check had this result and detail.
func (c checked) finds(t *testing.T, code int, check string, severity finding.Severity, detail string) {
	t.Helper()
	found := slices.ContainsFunc(c.Findings, func(f finding.Finding) bool {
		return f.Check == check && f.Severity == severity && strings.Contains(f.Detail, detail)
	})
	if c.code != code || !found {
		t.Errorf("exit code %d, not %d; or no %s of %s with %q:\n%+v", c.code, code, severity, check, detail, c.Findings)
	}
	for _, f := range c.Findings {
		if f.Check != "directory" && f.Severity == finding.Error && f.Hint == "" {
			t.Errorf("no way out is named for %+v", f)
		}
	}
}

// hints fails the test if a finding that is an error has no hint.
func (c checked) hints(t *testing.T, check, hint string) {
	t.Helper()
	if !slices.ContainsFunc(c.Findings, func(f finding.Finding) bool { return f.Check == check && f.Severity == finding.Error && f.Hint == hint }) {
		t.Errorf("no hint of %s is %q:\n%+v", check, hint, c.Findings)
	}
}

func TestCheckLive(t *testing.T) {
	t.Parallel()
	mine, other := callouttest.NewKeys(t), callouttest.NewKeys(t)
	mixed := func(issuer, xkey callouttest.Keys) callouttest.Keys {
		issuer.XKey, issuer.XKeySeed = xkey.XKey, xkey.XKeySeed
		return issuer
	}
	for name, c := range map[string]struct {
		server        callouttest.ServerConfig
		plainKeyring  bool
		config        map[string]string
		code          int
		check, detail string
		severity      finding.Severity
		hint          string // a part of it
	}{
		"all is well": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true},
			code:   cmdutil.ExitOK, check: "xkey", severity: "ok", detail: "requests are encrypted to a key of the keyring",
		},
		"unencrypted, and no xkey": {
			server: callouttest.ServerConfig{Keys: mine}, plainKeyring: true,
			code: cmdutil.ExitOK, check: "xkey", severity: "warning", detail: "requests are not encrypted",
		},
		"unencrypted, and an xkey": {
			server: callouttest.ServerConfig{Keys: mine},
			code:   cmdutil.ExitConfig, check: "xkey", severity: "error", detail: "the server sends requests unencrypted",
		},
		"another issuer": {
			server: callouttest.ServerConfig{Keys: mixed(other, mine), Sealed: true},
			code:   cmdutil.ExitConfig, check: "issuer", severity: "error", detail: other.Issuer,
		},
		"another xkey": {
			server: callouttest.ServerConfig{Keys: mixed(mine, other), Sealed: true},
			code:   cmdutil.ExitConfig, check: "xkey", severity: "error", detail: "not in the keyring", hint: ", or set auth_callout.xkey to " + mine.XKey,
		},
		"encrypted, and no xkey": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, plainKeyring: true,
			code: cmdutil.ExitConfig, check: "xkey", severity: "error", detail: "not in the keyring",
		},
		"no auth_callout": {
			server: callouttest.ServerConfig{Keys: mine, NoCallout: true},
			code:   cmdutil.ExitConfig, check: "callout", severity: "error", detail: "not active",
		},
		"the timeout of the server is too short": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 1},
			code:   cmdutil.ExitConfig, check: "timeout", severity: "error", detail: "the server waits about 1s, less than callout.budget",
		},
		"the service user is refused": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, config: map[string]string{"nats.user": "nobody"},
			code: cmdutil.ExitConfig, check: "connect", severity: "error", detail: "refuses the service user", hint: "auth_callout.auth_users; nats.password_file must contain its password",
		},
		"the service user is refused, and late": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 3, ShortFirstPing: true}, config: map[string]string{"nats.user": "nobody"},
			code: cmdutil.ExitConfig, check: "connect", severity: "error", detail: "refuses the service user", hint: "auth_callout.auth_users; nats.password_file must contain its password",
		},
		"the service user is in another account": {
			server: callouttest.ServerConfig{Keys: mine, Sealed: true}, config: map[string]string{"nats.user": callouttest.AdminUser},
			code: cmdutil.ExitConfig, check: "account", severity: "error", detail: `in account "APP"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := callouttest.StartServer(t, c.server)
			file := apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, !c.plainKeyring, mine), c.config)
			look := checkLive
			if c.check == "connect" {
				look = checkRefused
			}
			found := look(t, file)
			found.finds(t, c.code, c.check, c.severity, c.detail)
			if !slices.ContainsFunc(found.Findings, func(f finding.Finding) bool { return f.Check == c.check && strings.Contains(f.Hint, c.hint) }) {
				t.Errorf("no hint %q: %+v", c.hint, found.Findings)
			}
		})
	}
}

// TestCheckServerDown: an unreachable server is not a configuration error.
func TestCheckServerDown(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitRuntime, "connect", "error", "no servers available")
	// Unless that is wrong as well.
	in.Write(t, setup.FileDirectory, "users: [{name: a.b}]\nprojects: []\n")
	checkLive(t, in.Config()).finds(t, cmdutil.ExitConfig, "connect", "error", "no servers available")
}

// TestCheckNotAnAuthUser: a service user that is not among auth_users can never connect,
// because the server asks usher about it.
func TestCheckNotAnAuthUser(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Edit(t, setup.FileServerConfig, "auth_users: [ usher, usher-system, usher-sessions ]", "auth_users: [ somebody ]")
	in.NatsServer(t)
	// What nats.go makes of it depends on what it was just waiting for.
	checkRefused(t, in.Config()).finds(t, cmdutil.ExitConfig, "connect", "error", "nats: ")
}

// TestCheckOpenServer: a server without authorization accepts every client.
func TestCheckOpenServer(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileServerConfig, "listen: "+strings.TrimPrefix(in.URL, "nats://")+"\n")
	in.Edit(t, setup.FileConfig, "callout: AUTH", "callout: $G")
	in.NatsServer(t)
	checkLive(t, in.Config()).finds(t, cmdutil.ExitConfig, "callout", "error", "the server accepts a client with a random token")
}

// TestCheckBesideUsher: check and a running usher do not disturb each other.
func TestCheckBesideUsher(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	c := checkLive(t, in.Config())
	c.finds(t, cmdutil.ExitOK, "clock", "ok", "apart")
	c.finds(t, cmdutil.ExitOK, "service", "warning", "no usher answers")
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.serve(t)
	for range 3 {
		// One is enough to be ready, and answers are not waited for for long.
		callouttest.Eventually(t, "all connections of usher answer", func() bool {
			c = checkLive(t, in.Config())
			return slices.ContainsFunc(c.Findings, func(f finding.Finding) bool {
				return f.Check == "service" && f.Severity == finding.OK && f.Detail == "4 connections of usher in AUTH; each usher with this configuration opens 4"
			})
		})
		c.finds(t, cmdutil.ExitOK, "issuer", "ok", "usher-nats")
		c.finds(t, cmdutil.ExitOK, "timeout", "ok", "the server waits about")
	}
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("alice was refused afterwards: exit code %d", code)
	}
	code, stdout, _ := answered(t, "check", "-c", in.Config())
	if code != cmdutil.ExitOK || !strings.Contains(stdout, "ok      connect "+in.URL+": as service user, to server usher-nats") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}
