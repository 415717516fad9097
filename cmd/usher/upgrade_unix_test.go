//go:build unix

package main

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/issuer"
)

// previous is an earlier build, which scripts/check-upgrade.sh makes. Without it this build takes
// both parts.
var previous = flag.String("previous", "usher", "usher of an earlier build, for TestRollingUpgrade")

// TestRollingUpgrade: two ushers of the previous build share a bucket; one is replaced by this
// build, with the same files. Both grant, each sees what is changed through the other one, and a
// rotation that this build begins is finished by the previous one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	old := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := output(t, *previous, args...)
		if code != cmdutil.ExitOK {
			t.Fatalf("previous usher %v: %d\n%s%s", args, code, stdout, stderr)
		}
		return strings.TrimSpace(stdout)
	}
	a := newInstallation(t)
	callouttest.Must(t, os.RemoveAll(a.Dir))
	old("init", "--kv", "--operator", "--listen", strings.TrimPrefix(a.URL, "nats://"), "--http", strings.TrimPrefix(a.Web, "http://"), "--api", a.API, a.Dir)
	a.NatsServer(t)
	old("bootstrap", "-c", a.Config(), "--to", a.Path("admin.key"))
	first := start(t, *previous, "serve", "-c", a.Config())
	a.waitReady(t, first)
	b := a.second(t)
	second := start(t, *previous, "serve", "-c", b.Path("second.yaml"))
	b.waitReady(t, second)
	alice := old("user", "add", "--server", "http://"+a.API, "--key-file", a.Path("admin.key"), "--service-role", "service_admin", "alice")
	a.granted(t, alice).Close()

	first.signal(t, os.Interrupt)
	first.wait(t)
	a.serve(t)                                   // this build, with the files and the state of the previous one
	a.both(t, b, alice)                          // each has granted her
	for _, via := range []string{a.API, b.API} { // through the new one, then through the old one
		code, bob, stderr := answered(t, "user", "add", "--server", "http://"+via, "--key-file", a.Path("admin.key"), "--service-role", "service_admin", "bob"+via[strings.LastIndex(via, ":")+1:])
		if code != cmdutil.ExitOK {
			t.Fatalf("%d %s", code, stderr)
		}
		a.both(t, b, strings.TrimSpace(bob))
	}

	key := nkeyOf(t, a, issuer.KindSigning, setup.AccountApp, issuer.StateActive)
	nc := a.granted(t, alice) // depends on the key, so that the rotation does not retire it
	code, stdout, stderr := usher(t, "nkey", "rotate", "-c", a.Config(), "--wait", "3s", "--account", setup.AccountApp, "signing_key")
	t.Logf("rotate: %d %s%s", code, stdout, stderr)
	if got := nkeyOf(t, a, issuer.KindSigning, setup.AccountApp, issuer.StateRetiring); code == cmdutil.ExitOK && got != key {
		t.Errorf("%s is retiring, not %s", got, key)
	}
	nc.Close()
	said := ""
	defer func() {
		if t.Failed() {
			t.Logf("retire: %s", said)
		}
	}()
	callouttest.Eventually(t, "the previous usher finishes the rotation", func() bool {
		_, _, _ = output(t, *previous, "nkey", "rotate", "-c", a.Config(), "--resume") // if the first one did not get that far
		code, stdout, stderr := output(t, *previous, "nkey", "retire", "-c", a.Config(), key)
		said = stdout + stderr
		return code == cmdutil.ExitOK
	})
	a.both(t, b, alice)
	if got := nkeyOf(t, a, issuer.KindSigning, setup.AccountApp, issuer.StateRetired); got != key {
		t.Errorf("%s is retired, not %s", got, key)
	}
}

// second writes the configuration of another usher of the installation, with state of its own.
func (in installation) second(t *testing.T) installation {
	t.Helper()
	text, err := os.ReadFile(in.Config())
	callouttest.Must(t, err)
	b := in
	port := callouttest.FreePort(t)
	b.Web, b.API = "http://127.0.0.1:"+strconv.Itoa(port), "127.0.0.1:"+strconv.Itoa(port+1)
	in.Write(t, "second.yaml", strings.NewReplacer(
		strings.TrimPrefix(in.Web, "http://"), strings.TrimPrefix(b.Web, "http://"), in.API, b.API, "run/", "second/", "audit.jsonl", "second.jsonl",
	).Replace(string(text)))
	return b
}

// granted connects with an API key.
func (in installation) granted(t *testing.T, key string) *nats.Conn {
	t.Helper()
	var nc *nats.Conn
	callouttest.Eventually(t, "the key is granted", func() bool {
		var err error
		nc, err = nats.Connect(in.URL, nats.Token(key))
		return err == nil
	})
	t.Cleanup(nc.Close)
	return nc
}

// both connects with a key until each of two ushers has granted it.
func (in installation) both(t *testing.T, other installation, key string) {
	t.Helper()
	before := [2]string{in.grants(), other.grants()}
	callouttest.Eventually(t, "both ushers have granted", func() bool {
		nc, err := nats.Connect(in.URL, nats.Token(key))
		if err != nil && !apptest.Unanswered(err.Error()) {
			t.Fatal(err)
		}
		if err == nil {
			nc.Close()
		}
		return in.grants() != before[0] && other.grants() != before[1]
	})
}

// grants returns the sample of requests that were granted.
func (in installation) grants() string {
	_, text := in.get("/metrics")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "usher_requests_total{") && strings.Contains(line, `outcome="granted"`) {
			return line
		}
	}
	return ""
}
