package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// trialist is a directory in which alice may publish and read, without a stream.
func trialist() string {
	return callouttest.WithDigests(`
users:
  - {name: alice, keys: [{digest: KEY(alice-key)}]}
  - {name: root, service_roles: [service_admin], keys: [{digest: KEY(root-key)}]}
projects:
  - name: shop
    account: APP
    members: [{user: alice, roles: [publisher, consumer]}]
    topics: [{name: orders, acl: [alice]}]
    subscriptions: [{name: billing, topic: orders, acl: [alice]}]
`)
}

// TestTry: each failure gets its own exit code, error and hint.
func TestTry(t *testing.T) {
	t.Parallel()
	in := newInstallation(t, "  streams: managed\n", "  streams: manual\n")
	in.Write(t, setup.FileDirectory, trialist())
	in.NatsServer(t)
	in.serve(t)
	publishesNothing(t, in)
	for name, c := range map[string]struct {
		token string
		args  []string
		code  int
		says  []string
	}{
		"published":           {"alice-key", []string{"publish", "TOKEN", "shop.orders", "teapot"}, cmdutil.ExitOK, nil},
		"a subject":           {"alice-key", []string{"publish", "TOKEN", "shop.returns", "teapot"}, cmdutil.ExitDenied, []string{" (at nats://127.0.0.1:", "hint: usher explain shows"}},
		"another's inbox":     {"alice-key", []string{"publish", "TOKEN", "--ack", "shop.orders", "teapot"}, cmdutil.ExitDenied, []string{"hint: add --inbox _INBOX_<user>; usher explain shows it"}},
		"a wrong inbox":       {"alice-key", []string{"publish", "TOKEN", "--ack", "--inbox", "inbox", "shop.orders", "teapot"}, cmdutil.ExitDenied, []string{"hint: --inbox must be _INBOX_<user>; usher explain shows it"}},
		"an invalid inbox":    {"alice-key", []string{"publish", "TOKEN", "--inbox", "_INBOX_*", "shop.orders", "teapot"}, cmdutil.ExitUsage, []string{"error: --inbox must be _INBOX_<user>, without"}},
		"every inbox":         {"alice-key", []string{"subscribe", "TOKEN", "_INBOX.>"}, cmdutil.ExitDenied, []string{"hint: add --inbox _INBOX_<user>"}},
		"no stream":           {"alice-key", []string{"publish", "TOKEN", "--ack", "--inbox", "_INBOX_alice", "shop.orders", "teapot"}, cmdutil.ExitRuntime, []string{"no response from stream", "hint: usher makes the stream of a project with projects.streams: managed, and usher check says"}},
		"no stream, as admin": {"root-key", []string{"consume", "TOKEN", "shop", "billing"}, cmdutil.ExitRuntime, []string{"(docs/how-to/streams.md)"}},
		"refused":             {"nobody-key", []string{"publish", "TOKEN", "shop.orders", "teapot"}, cmdutil.ExitDenied, []string{"connect to nats://127.0.0.1:", "Authorization Violation", "hint: usher's log and audit give the cause; if they show granted, see nats-server's log"}},
		"nothing comes":       {"root-key", []string{"subscribe", "TOKEN", "--wait", "50ms", "quiet"}, cmdutil.ExitRuntime, []string{"error: no message within 50ms (at nats://127.0.0.1:"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"try", c.args[0], "-s", in.URL, "--token-file", in.token(t, c.token)}
			code, stdout, stderr := answered(t, append(args, c.args[2:]...)...)
			if code != c.code || (code == cmdutil.ExitOK) != (stdout != "") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			for _, text := range c.says {
				if !strings.Contains(stderr, text) {
					t.Errorf("does not say %q:\n%s", text, stderr)
				}
			}
		})
	}
}

// TestTryContext: a context of the nats CLI says where the server is and what to present.
func TestTryContext(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, trialist())
	in.NatsServer(t)
	in.serve(t)
	write := func(name, text string) string {
		in.Write(t, "nats/"+name, strings.NewReplacer("URL", in.URL, "KEY", filepath.ToSlash(in.token(t, "alice-key"))).Replace(text))
		return in.Path("nats/" + name)
	}
	token := write("token.json", `{"url": "URL", "token": "file://KEY", "inbox_prefix": "_INBOX_alice", "color_scheme": "red"}`)
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--nats-context", token, "--ack", "shop.orders", "teapot"}, cmdutil.ExitOK, ""},
		{[]string{"--nats-context", write("password.json", `{"url": "URL", "user": "project=shop", "password": "alice-key"}`), "shop.orders", "teapot"}, cmdutil.ExitOK, ""},
		{[]string{"--nats-context", in.Path(setup.FileServiceContext), "shop.orders", "teapot"}, cmdutil.ExitOK, ""},
		{[]string{"--nats-context", token, "shop.returns", "teapot"}, cmdutil.ExitDenied, "Permissions Violation"},
		{[]string{"--nats-context", write("nobody.json", `{"url": "URL", "token": "nobody-key"}`), "shop.orders", "teapot"}, cmdutil.ExitDenied, "Authorization Violation"},
		{[]string{"--nats-context", write("proxy.json", `{"url": "URL", "socks_proxy": "socks5://h"}`), "shop.orders", "teapot"}, cmdutil.ExitConfig, "proxy.json: socks_proxy: usher does not support this key of the nats CLI\nusher: hint: remove it in a copy"},
		{[]string{"--nats-context", write("url.json", `{"url": "nats://a:b:c"}`), "shop.orders", "teapot"}, cmdutil.ExitUsage, "url.json: url is not a URL"},
		{[]string{"--nats-context", in.Path("none.json"), "shop.orders", "teapot"}, cmdutil.ExitConfig, "none.json"},
		{[]string{"--nats-context", token, "--token-file", token, "shop.orders", "teapot"}, cmdutil.ExitUsage, "--nats-context and --token-file: give only one of them"},
	} {
		code, stdout, stderr := answered(t, append([]string{"try", "publish"}, c.args...)...)
		if code != c.code || (code == cmdutil.ExitOK) != (stdout != "") || !strings.Contains(stderr, c.says) {
			t.Errorf("%q: exit code %d, want %d with %q\n%s%s", c.args, code, c.code, c.says, stdout, stderr)
		}
	}
}

// publishesNothing: a publish whose acknowledgement could not arrive is refused before it is sent.
func publishesNothing(t *testing.T, in installation) {
	t.Helper()
	key, err := os.ReadFile(in.token(t, "root-key"))
	callouttest.Must(t, err)
	nc, err := nats.Connect(in.URL, nats.Token(strings.TrimSpace(string(key))))
	callouttest.Must(t, err)
	defer nc.Close()
	sub, err := nc.SubscribeSync("shop.orders")
	callouttest.Must(t, err)
	callouttest.Must(t, nc.Flush())
	publish := func(want int, args ...string) {
		t.Helper()
		if code, _, stderr := answered(t, append([]string{"try", "publish", "-s", in.URL, "--token-file", in.token(t, "alice-key")}, args...)...); code != want {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
	}
	publish(cmdutil.ExitDenied, "--ack", "shop.orders", "refused")
	publish(cmdutil.ExitOK, "shop.orders", "sent")
	if m, err := sub.NextMsg(time.Minute); err != nil || string(m.Data) != "sent" {
		t.Errorf("%v %v", m, err)
	}
}

// TestTryNoUsher: the hint differs between a missing nats-server and a missing usher.
func TestTryNoUsher(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	publish := func(want string) {
		t.Helper()
		code, _, stderr := usher(t, "try", "publish", "-s", in.URL, "--token-file", in.token(t, "alice-key"), "shop.orders", "teapot")
		if code != cmdutil.ExitRuntime || !strings.Contains(stderr, "usher: hint: "+want) || !strings.Contains(stderr, "usher: error: connect to "+in.URL+": ") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	}
	publish("check that nats-server is running at this address")
	in.NatsServer(t)
	publish("usher did not reply: usher check shows whether it runs; if it does, its audit gives the cause")
}

// TestTryFaultyURL: a password that stands in a URL is not repeated.
func TestTryFaultyURL(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for _, server := range []string{
		"nats://me:teapot@127.0.0.1:port", "nats://me:tea%zzpot@127.0.0.1", "nats://me:teapot/x@127.0.0.1", "nats://me:tea pot@h",
		"nats://127.0.0.1:1,nats://me:teapot@127.0.0.1:port", "me:teapot@h:port", "nats://127.0.0.1:teaport",
	} {
		code, stdout, stderr := usher(t, "try", "publish", "-s", server, "--token-file", in.token(t, "alice-key"), "shop.orders", "x")
		if code != cmdutil.ExitUsage || stdout != "" || !strings.Contains(stderr, "error: --server is not a URL") {
			t.Errorf("%s: exit code %d\n%s%s", server, code, stdout, stderr)
		}
		if strings.Contains(server, "@") && (strings.Contains(stderr, "teapot") || strings.Contains(stderr, "zz")) {
			t.Errorf("%s: a part of the password is printed:\n%s", server, stderr)
		}
	}
}
