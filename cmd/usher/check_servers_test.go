package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// withSystemUser are the configuration keys of a read-only system user.
func withSystemUser(more map[string]string) map[string]string {
	values := map[string]string{"nats.system_user": callouttest.SystemUser, "nats.system_password_file": "password"}
	for k, v := range more {
		values[k] = v
	}
	return values
}

// at returns the findings about one place.
func (c checked) at(where string) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f finding.Finding) bool { return f.Where != where })
}

// pairOf starts a cluster of two servers; edit changes the configuration of the second.
func pairOf(t *testing.T, keys callouttest.Keys, edit func(*callouttest.ServerConfig)) (a, b *callouttest.Server) {
	t.Helper()
	a = callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: keys, Sealed: true, Cluster: true, Timeout: 3})
	second := callouttest.ServerConfig{Name: "n2", Keys: keys, Sealed: true, Cluster: true, Timeout: 3, Routes: []string{a.RouteURL()}}
	edit(&second)
	b = callouttest.StartServer(t, second)
	callouttest.Eventually(t, "n1 tells clients of n2", func() bool {
		nc, err := nats.Connect(a.URL(), nats.UserInfo(callouttest.ServiceUser, callouttest.Password))
		if err != nil {
			return false
		}
		defer nc.Close()
		return len(nc.DiscoveredServers()) > 0
	})
	return a, b
}

// TestCheckEveryServer: check treats a cluster server that is not in nats.urls like the
// others. It discovers it through the first server (case 4 from the field).
//
// Attack: one server of a cluster expects another issuer and denies its clients, and usher check does not report it
// Held by: usher check checks every server that it can discover, each in the same way
func TestCheckEveryServer(t *testing.T) {
	t.Parallel()
	mine, other := callouttest.NewKeys(t), callouttest.NewKeys(t)
	a, b := pairOf(t, mine, func(c *callouttest.ServerConfig) { c.Keys.Issuer = other.Issuer })
	file := apptest.ConfigFor(t, a, callouttest.KeyringDir(t, true, mine), nil)
	c := checkLive(t, file)
	c.finds(t, cmdutil.ExitConfig, "issuer", "error", "server n2 expects answers from "+other.Issuer)
	c.finds(t, cmdutil.ExitConfig, "issuer", "ok", "server n1 expects "+mine.Issuer)
	var names [2][]string
	for i, s := range []*callouttest.Server{a, b} {
		for _, f := range c.at(s.URL()) {
			names[i] = append(names[i], f.Check)
		}
	}
	if !slices.Equal(names[0], names[1]) {
		t.Errorf("the findings about the second server are not those about the first:\n%v\n%v", names[0], names[1])
	}
}

// TestCheckUnreachable: check names an unreachable server, with what the system account
// reports about it.
func TestCheckUnreachable(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	nowhere := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	// It announces an address at which it does not listen. Its real port is not announced.
	a, _ := pairOf(t, mine, func(c *callouttest.ServerConfig) {
		c.Extra = "max_payload: 65536\nclient_advertise: \"" + nowhere + "\"\n"
	})
	keyring := callouttest.KeyringDir(t, true, mine)
	c := checkLive(t, apptest.ConfigFor(t, a, keyring, nil))
	c.finds(t, cmdutil.ExitOK, "connect", "warning", "not reachable from here, so not checked; server n1 announces it")
	if found := c.at("nats://" + nowhere); len(found) != 1 {
		t.Errorf("%+v", c.Findings)
	}
}

// TestCheckRefusedServer: a server that refuses the service user was reached, so check does
// not report it as unreachable too.
func TestCheckRefusedServer(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 3, ShortFirstPing: true})
	file := apptest.ConfigFor(t, srv, callouttest.KeyringDir(t, true, mine), withSystemUser(map[string]string{"nats.password_file": "wrong"}))
	callouttest.Must(t, secretfile.Write(filepath.Join(filepath.Dir(file), "wrong"), []byte("wrong\n")))
	c := checkRefused(t, file)
	c.finds(t, cmdutil.ExitConfig, "system user", "ok", "1 server: ")
	for _, f := range c.Findings {
		if f.Check == "connect" && f.Severity != finding.Error {
			t.Errorf("%+v", f)
		}
	}
}

// TestCheckSupercluster: check finds the servers of another cluster through the system
// account, and describes unreachable ones.
func TestCheckSupercluster(t *testing.T) {
	t.Parallel()
	mine, other := callouttest.NewKeys(t), callouttest.NewKeys(t)
	theirs := mine
	theirs.Issuer = other.Issuer
	gate := callouttest.FreePort(t)
	gateway := func(name string, port int) string {
		return fmt.Sprintf("cluster { name: %[1]s, listen: \"127.0.0.1:-1\" }\ngateway { name: %[1]s, listen: \"127.0.0.1:%[2]d\", gateways: [{name: g1, url: \"nats://127.0.0.1:%[3]d\"}] }\n", name, port, gate)
	}
	nowhere := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t))
	a := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: mine, Sealed: true, Cluster: true, Timeout: 3, Extra: gateway("g1", gate)})
	callouttest.StartServer(t, callouttest.ServerConfig{Name: "n2", Keys: theirs, Sealed: true, Cluster: true, Timeout: 3, Extra: gateway("g2", callouttest.FreePort(t))})
	// It listens on every address, and announces one that is not reachable.
	callouttest.StartServer(t, callouttest.ServerConfig{
		Name: "n3", Keys: theirs, Sealed: true, Cluster: true, Timeout: 3,
		Extra: fmt.Sprintf("listen: \"0.0.0.0:%d\"\nmax_payload: 65536\nclient_advertise: %q\n", callouttest.FreePort(t), nowhere) + gateway("g3", callouttest.FreePort(t)),
	})
	file := apptest.ConfigFor(t, a, callouttest.KeyringDir(t, true, mine), withSystemUser(nil))
	var c checked
	callouttest.Eventually(t, "all three are there", func() bool {
		c = checkLive(t, file)
		return slices.ContainsFunc(c.Findings, func(f finding.Finding) bool {
			return f.Check == "system user" && strings.HasSuffix(f.Detail, "n1, n2, n3")
		})
	})
	c.finds(t, cmdutil.ExitConfig, "issuer", "error", "server n2 expects answers from "+other.Issuer)
	c.finds(t, cmdutil.ExitConfig, "connect", "warning", "none of its addresses is reachable from here ("+nowhere+")")
	c.finds(t, cmdutil.ExitConfig, "connect", "warning", "of cluster g3, accepts up to 65536 bytes, and waits 3 s for usher")
}

// TestCheckLeafServers: check names a leaf server that has its own system account.
func TestCheckLeafServers(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	hub := callouttest.StartServer(t, callouttest.ServerConfig{Name: "n1", Keys: mine, Sealed: true, Timeout: 3})
	callouttest.RunServerConfig(t, fmt.Sprintf("server_name: edge\nlisten: \"127.0.0.1:-1\"\nleafnodes { remotes: [{url: \"nats-leaf://%s:%s@%s\"}] }\n",
		callouttest.AdminUser, callouttest.Password, hub.LeafAddr()))
	callouttest.Eventually(t, "the leaf node is connected", func() bool { return hub.NATSServer().NumLeafNodes() == 1 })
	c := checkLive(t, apptest.ConfigFor(t, hub, callouttest.KeyringDir(t, true, mine), withSystemUser(nil)))
	c.finds(t, cmdutil.ExitOK, "leaf node", "ok", "authorize their own clients: edge (127.0.0.1) at n1, in APP")
}

// TestCheckAccountsOfServers: check finds an account that a server lacks, with the
// projects in it.
//
// Attack: a project's account is missing on one server, which denies its clients
// Held by: usher check asks every server for its accounts as a user of the system account
func TestCheckAccountsOfServers(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	a, _ := pairOf(t, mine, func(*callouttest.ServerConfig) {})
	keyring := callouttest.KeyringDir(t, true, mine)
	file := apptest.ConfigFor(t, a, keyring, withSystemUser(nil))
	c := checkLive(t, file)
	c.finds(t, cmdutil.ExitOK, "system user", "ok", "2 servers: n1, n2")
	c.finds(t, cmdutil.ExitOK, "accounts", "ok", "on every server: n1, n2")
	callouttest.Must(t, secretfile.Write(strings.TrimSuffix(file, "usher.yaml")+"directory.yaml",
		[]byte("users: []\nprojects: [{name: shop, account: SHOP}, {name: lab, account: APP}]\n")))
	c = checkLive(t, file)
	c.finds(t, cmdutil.ExitConfig, "accounts", "error", "missing on n1, n2: clients that use it cannot connect there (project shop)")
	for _, f := range c.Findings {
		if f.Severity == finding.Error && f.Where != "SHOP" {
			t.Errorf("%+v", f)
		}
	}
}

// TestCheckSystemUser: check reports the permissions that the system user lacks.
func TestCheckSystemUser(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true})
	keyring := callouttest.KeyringDir(t, true, mine)
	for name, c := range map[string]struct {
		config   map[string]string
		code     int
		severity finding.Severity
		detail   string
	}{
		"none":            {nil, cmdutil.ExitOK, "warning", "none is configured"},
		"elsewhere":       {withSystemUser(map[string]string{"nats.system_password_file": "/nowhere/password"}), cmdutil.ExitOK, "warning", "cannot be checked from here"},
		"another account": {withSystemUser(map[string]string{"nats.system_user": callouttest.AdminUser}), cmdutil.ExitConfig, "error", "no server answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkLive(t, apptest.ConfigFor(t, srv, keyring, c.config)).finds(t, c.code, "system user", c.severity, c.detail)
		})
	}
}

// TestCheckAnonymous: a no_auth_user lets in a client without a credential, and the
// server does not ask usher.
//
// Attack: a no_auth_user lets in clients without a credential, bypassing usher
// Held by: usher check connects without a credential, and reports as which user it got in
func TestCheckAnonymous(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	keyring := callouttest.KeyringDir(t, true, mine)
	for name, c := range map[string]struct {
		extra    string
		code     int
		severity finding.Severity
		detail   string
	}{
		"none":              {"", cmdutil.ExitOK, "ok", "the server asks usher about a client without a credential"},
		"one of auth_users": {"no_auth_user: admin\n", cmdutil.ExitConfig, "error", `accepts a client without a credential as user "admin" of APP`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true, Timeout: 3, Extra: c.extra})
			checkLive(t, apptest.ConfigFor(t, srv, keyring, nil)).finds(t, c.code, "no_auth_user", c.severity, c.detail)
		})
	}
}

// TestCheckNoAuthUser: the server asks usher about the no_auth_user, unless its account
// is not among allowed_accounts.
func TestCheckNoAuthUser(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		allowed  string
		code     int
		severity finding.Severity
		detail   string
	}{
		"all accounts":   {"", cmdutil.ExitOK, "ok", "the server asks usher about a client without a credential"},
		"the other ones": {"allowed_accounts: [ APP ]", cmdutil.ExitConfig, "error", `accepts a client without a credential as user "guest" of HEALTH`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newInstallation(t)
			in.Edit(t, setup.FileServerConfig, "HEALTH {}", "HEALTH { users: [ { user: guest, password: guest } ] }")
			in.Edit(t, setup.FileServerConfig, "auth_callout {", "auth_callout {\n"+c.allowed)
			in.Edit(t, setup.FileServerConfig, "system_account:", "no_auth_user: guest\nsystem_account:")
			in.NatsServer(t)
			checkLive(t, in.Config()).finds(t, c.code, "no_auth_user", c.severity, c.detail)
		})
	}
}

// TestCheckPayload: check finds a server whose max_payload is below the largest response
// (case 8 from the field).
func TestCheckPayload(t *testing.T) {
	t.Parallel()
	mine := callouttest.NewKeys(t)
	keyring := callouttest.KeyringDir(t, true, mine)
	small := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true, Extra: "max_payload: 1024\n"})
	tight := checkLive(t, apptest.ConfigFor(t, small, keyring, nil))
	tight.finds(t, cmdutil.ExitConfig, "max_payload", "error", "usher does not answer clients with this grant")
	tight.hints(t, "max_payload", "a larger max_payload in the server's configuration")

	large := callouttest.StartServer(t, callouttest.ServerConfig{Keys: mine, Sealed: true, Extra: "max_payload: 8MB\n"})
	file := apptest.ConfigFor(t, large, keyring, nil)
	checkLive(t, file).finds(t, cmdutil.ExitOK, "max_payload", "ok", "and no server accepts a JWT of more than 1048576")
	var d strings.Builder
	d.WriteString("users: [{name: till}]\nprojects:\n  - name: shop\n    account: APP\n    members: [{user: till, roles: [publisher]}]\n    topics:\n")
	for i := range 2600 {
		fmt.Fprintf(&d, "      - {name: t%d, subject: shop.%s%d, acl: [till]}\n", i, strings.Repeat("x", 240), i)
	}
	callouttest.Must(t, secretfile.Write(strings.TrimSuffix(file, "usher.yaml")+"directory.yaml", []byte(d.String())))
	c := checkLive(t, file)
	c.finds(t, cmdutil.ExitConfig, "max_payload", "error", "no server accepts a JWT of more than 1048576")
	c.finds(t, cmdutil.ExitConfig, "max_payload", "error", "the answer for user till has up to ")
	c.hints(t, "max_payload", "fewer ACL entries for user till, or a larger max_payload in the server's configuration")
}
