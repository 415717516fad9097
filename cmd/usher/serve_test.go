package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestServeWaitsForServer: usher may start before nats-server, is ready only once
// connected, and survives the server.
func TestServeWaitsForServer(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	p := start(t, "usher", "serve", "-c", in.Config())
	p.waitFor(t, "usher is running")
	if status, body := in.get("/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := in.get("/readyz"); status != http.StatusServiceUnavailable || strings.TrimSpace(body) == "" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	srv := in.NatsServer(t)
	in.waitReady(t, p)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("alice: exit code %d", code)
	}
	srv.Stop()
	callouttest.Eventually(t, "usher is not ready", func() bool {
		status, _ := in.get("/readyz")
		return status == http.StatusServiceUnavailable
	})
	if status, _ := in.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	in.NatsServer(t)
	in.waitReady(t, p)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("alice after the restart: exit code %d", code)
	}
}

// TestServeMetrics: the listener serves exactly what docs/reference/metrics.md lists.
func TestServeMetrics(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	in.serve(t)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("alice: exit code %d", code)
	}
	granted := regexp.MustCompile(`usher_requests_total\{code="granted",outcome="granted"\} [1-9]`) // more, where alice had to try again
	var status int
	var body string
	callouttest.Eventually(t, "the request is counted, and every connection is there", func() bool { // one is enough to be ready
		status, body = in.get("/metrics")
		return granted.MatchString(body) && strings.Contains(body, `usher_service_connections{state="connected"} 4`)
	})
	for _, want := range []string{`usher_directory_entries{kind="users"} 1`, `usher_build_info{version="`} {
		if status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("/metrics: %d, without %s", status, want)
		}
	}
	if status, _ := in.get("/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("/debug/pprof: %d", status)
	}
	if res, err := http.Post(in.Web+"/readyz", "", nil); err != nil || res.StatusCode != http.StatusMethodNotAllowed || res.Body.Close() != nil {
		t.Errorf("POST /readyz: %v %v", res, err)
	}
}

// TestServeDirectoryChange: usher reloads a changed file; a faulty one is logged and
// changes nothing.
func TestServeDirectoryChange(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	p := in.serve(t)
	if code := in.try(t); code != cmdutil.ExitDenied {
		t.Errorf("before alice is there: exit code %d", code)
	}
	in.Write(t, setup.FileDirectory, aliceDirectory())
	callouttest.Eventually(t, "alice gets in", func() bool { return in.try(t) == cmdutil.ExitOK })
	in.Write(t, setup.FileDirectory, aliceDirectory()+"colour: red\n")
	p.waitFor(t, `path=colour message="unknown key"`)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Errorf("after a faulty change: exit code %d\n%s", code, p.stderr.String())
	}
	if _, body := in.get("/metrics"); !strings.Contains(body, `usher_directory_reloads_total{result="bad"} 1`) {
		t.Error("the faulty reload is not counted")
	}
	in.Write(t, setup.FileDirectory, "users: []\nprojects: []\n")
	callouttest.Eventually(t, "alice is gone", func() bool { return in.try(t) == cmdutil.ExitDenied })
}

// TestServeListenerTaken: what is in the way is named.
func TestServeListenerTaken(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	in.serve(t)
	code, stdout, stderr := usher(t, "serve", "-c", in.Config())
	if code != cmdutil.ExitRuntime || stdout != "" || !strings.Contains(stderr, "usher: error: http.listen: ") ||
		!strings.Contains(stderr, "usher: hint: is another usher running? give each its own http.listen\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// TestServeRefusedUser: a service that the server refuses says so and tries on,
// because passwords are changed in two places, one after the other.
func TestServeRefusedUser(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.NatsServer(t)
	password, err := os.ReadFile(in.Path(setup.FilePassword))
	callouttest.Must(t, err)
	in.Write(t, setup.FilePassword, "another\n")
	p := start(t, "usher", "serve", "-c", in.Config())
	p.waitFor(t, "Authorization Violation")
	if status, _ := in.get("/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", status)
	}
	if strings.Contains(p.stderr.String(), strings.TrimSpace(string(password))) || strings.Contains(p.stderr.String(), "another") {
		t.Error("the log holds a password")
	}
}

// TestServeAuditFile: decisions go to a file that only its owner reads, and no
// token stands in it.
func TestServeAuditFile(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	p := in.serve(t)
	if code := in.try(t); code != cmdutil.ExitOK {
		t.Fatalf("alice: exit code %d", code)
	}
	var text []byte
	callouttest.Eventually(t, "the decision is kept", func() bool {
		var err error
		text, err = os.ReadFile(filepath.Join(in.Dir, "audit.jsonl"))
		return err == nil && strings.Contains(string(text), `"outcome":"granted"`)
	})
	for _, all := range []string{string(text), p.stderr.String(), p.stdout.String()} {
		if strings.Contains(all, "alice-key") {
			t.Error("a token was written down")
		}
	}
	if p.stdout.String() != "" {
		t.Errorf("on stdout: %s", p.stdout.String())
	}
}
