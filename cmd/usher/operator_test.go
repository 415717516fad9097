package main

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"usher/app/apptest"
	"usher/app/demo"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestOperatorSentinel: a server without a default sentinel needs one from the client;
// without it the server does not ask usher.
func TestOperatorSentinel(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--operator")
	in.Edit(t, setup.FileServerConfig, "\ndefault_sentinel: ", "\n# default_sentinel: ")
	in.Write(t, setup.FileDirectory, trialist())
	in.NatsServer(t)
	in.serve(t)
	healthy(t, in.Config())
	sentinel := in.Path(setup.FileSentinelCreds)
	for name, c := range map[string]struct {
		code int
		says string
		args []string
	}{
		"a token":             {cmdutil.ExitOK, "", []string{"--sentinel", sentinel}},
		"user and password":   {cmdutil.ExitOK, "", []string{"--sentinel", sentinel, "--user", "project=shop"}},
		"no sentinel":         {cmdutil.ExitDenied, "in operator mode without default_sentinel, add --sentinel FILE", nil},
		"a file that is none": {cmdutil.ExitUsage, "--sentinel holds no user JWT with its seed", []string{"--sentinel", in.Config()}},
		"no file":             {cmdutil.ExitUsage, "--sentinel cannot be read: ", []string{"--sentinel", in.Path("teapot")}},
		"the wrong token":     {cmdutil.ExitDenied, "if they show granted, see nats-server's log\n", []string{"--sentinel", sentinel, "--token-file", in.token(t, "nobody-key")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"try", "publish", "-s", in.URL, "--token-file", in.token(t, "alice-key")}, c.args...)
			code, stdout, stderr := answered(t, append(args, "shop.orders", "teapot")...)
			if code != c.code || (code == cmdutil.ExitOK) != (stdout != "") || !strings.Contains(stderr, c.says) || strings.Contains(stderr, "/teapot") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// TestOperatorSystemAlias: a project cannot get the system account under another name.
func TestOperatorSystemAlias(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--operator")
	in.Edit(t, setup.FileKeyring, "{name: SYS,", "{name: OPS,")
	for _, verb := range []string{"serve", "check"} {
		code, stdout, stderr := usher(t, verb, "-c", in.Config())
		says := stdout + stderr // check's findings are its output
		if code != cmdutil.ExitConfig || !strings.Contains(says, `the system account "SYS" (accounts.system in the configuration) is not listed`) ||
			!strings.Contains(says, "hint: add it, with its public key") {
			t.Errorf("%s: exit code %d\n%s", verb, code, says)
		}
	}
}

// TestOperatorHealthcheck: with the server's default sentinel the check needs none.
func TestOperatorHealthcheck(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--operator")
	in.NatsServer(t)
	in.serve(t)
	healthy(t, in.Config())
	in.Write(t, setup.FileSentinelCreds, "teapot\n")
	unhealthy(t, in.Config(), cmdutil.ExitConfig, "nats.sentinel_creds_file: holds no user JWT")
	in.Edit(t, setup.FileConfig, "\n  sentinel_creds_file:", "\n  #sentinel_creds_file:")
	healthy(t, in.Config())
}

// TestOperatorBench: a load needs only its tokens.
func TestOperatorBench(t *testing.T) {
	t.Parallel()
	in := initialized(t, "--operator")
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	in.serve(t)
	code, stdout, stderr := usher(t, "bench", "storm", "-s", in.URL, "--clients", "20", "--token-file", in.token(t, "alice-key"), "--json")
	if code != cmdutil.ExitOK || !strings.Contains(stdout, `"connected":20`) {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestOperatorIngest: the application account receives what ingest clients publish.
func TestOperatorIngest(t *testing.T) {
	t.Parallel()
	_, a := startDev(t, "--operator", "--listen", "127.0.0.1:0")
	admin := connectDev(t, &a, a.token(t, "service_admin"))
	sub, err := admin.SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.Flush())
	if !connectDev(t, &a, a.token(t, "ingest")).publishes(t, "habitat.event.healthcheck") {
		t.Fatal("the supervisor may not publish")
	}
	m, err := sub.NextMsg(20 * time.Second)
	callouttest.Must(t, err)
	if m.Subject != "habitat.event.healthcheck" {
		t.Errorf("got %s", m.Subject)
	}
	// A project that is made there gets an account of its own.
	if p := demoAPI(t, &a, a.token(t, "service_admin"), http.MethodPost, "/v1/projects/mine", ``); p["account"] != "mine" {
		t.Errorf("%v", p)
	}
}

// TestDevOperatorAgain: a second start reuses the files; a start in the other mode names
// their mode.
func TestDevOperatorAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	p, first := startDev(t, "--operator", "--dir", dir, "--listen", ownAddress(t))
	content := func() map[string]string {
		files := map[string]string{}
		for _, name := range setup.Names(true, true) {
			text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			callouttest.Must(t, err)
			files[name] = string(text)
		}
		return files
	}
	before := content()
	callouttest.Must(t, p.cmd.Process.Kill())
	p.wait(t)
	code, stdout, stderr := usher(t, "dev", "--json", "--dir", dir)
	if code != cmdutil.ExitConfig || stdout != "" || !strings.Contains(stderr, dir+" was created with usher dev --operator") || !strings.Contains(stderr, "hint: give --operator, or") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	_, second := startDev(t, "--operator", "--dir", dir)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v\nthen  %+v", first, second)
	}
	if !reflect.DeepEqual(content(), before) {
		t.Error("the files changed")
	}
	if !connectDev(t, &second, first.token(t, "publisher")).publishes(t, "shop.orders") {
		t.Error("the publisher may not publish")
	}
}

// TestDevOtherMode: dev does not convert a directory between the modes.
func TestDevOtherMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0"})
	callouttest.Must(t, err)
	code, stdout, stderr := usher(t, "dev", "--operator", "--json", "--dir", dir)
	if code != cmdutil.ExitConfig || stdout != "" || !strings.Contains(stderr, dir+" was created without --operator") || !strings.Contains(stderr, "hint: omit --operator") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if apptest.FileExists(filepath.Join(dir, setup.DirOperator)) {
		t.Error("an operator was made")
	}
	for _, args := range [][]string{nil, {"--operator"}} { // what usher init made is left alone
		in := initialized(t, "--operator")
		code, _, stderr := usher(t, append([]string{"dev", "--dir", in.Dir}, args...)...)
		if code != cmdutil.ExitConfig || !strings.Contains(stderr, "already exists") || apptest.FileExists(in.Path(demo.FileDemo)) {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	}
}

// TestDevOperatorInterrupted: a first start that was killed at any step continues.
func TestDevOperatorInterrupted(t *testing.T) {
	t.Parallel()
	names := setup.Names(true, true)
	for _, kept := range []int{0, 10, len(names) - 3, len(names) - 1} {
		dir := t.TempDir()
		made, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0", Operator: true})
		callouttest.Must(t, err)
		for _, name := range names[kept:] {
			callouttest.Must(t, os.Remove(filepath.Join(dir, filepath.FromSlash(name))))
		}
		again, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0", Operator: true})
		callouttest.Must(t, err)
		if !reflect.DeepEqual(made.Directory, again.Directory) {
			t.Error("another demo")
		}
		for _, name := range names {
			if !apptest.FileExists(filepath.Join(dir, filepath.FromSlash(name))) {
				t.Errorf("%d kept: %s is missing", kept, name)
			}
		}
	}
}
