package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/internal/secret"
)

// unpack returns the files of a bundle by their names, without the folder.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	callouttest.Must(t, err)
	z, err := gzip.NewReader(bytes.NewReader(data))
	callouttest.Must(t, err)
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		callouttest.Must(t, err)
		text, err := io.ReadAll(r)
		callouttest.Must(t, err)
		_, name, _ := strings.Cut(head.Name, "/")
		files[name] = string(text)
	}
}

// formsOf returns a secret as it could stand in a text.
func formsOf(s string) []string {
	inJSON, err := json.Marshal(s)
	if err != nil {
		inJSON = nil // a string can be encoded
	}
	return []string{
		s, strings.Trim(string(inJSON), `"`), url.QueryEscape(s), hex.EncodeToString([]byte(s)),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte("usher:" + s)),
		s[:len(s)/2+1], s[len(s)/2-1:],
	}
}

// everySecret gives an installation secrets of every kind, and returns them.
func everySecret(t *testing.T, in installation) (secrets []string) {
	t.Helper()
	const hex64 = "5f2a90c1e7b34d86a1c0f9d27be8430516de72f4890ab3c5d1e6f7082b4c9da3"
	for name, text := range map[string]string{
		"webhook.secret": "webhook & secret of more than 32 characters", "client.secret": "client+secret/of=oidc~provider", "service.token": hex64,
	} {
		in.Write(t, name, text+"\n")
		secrets = append(secrets, text)
	}
	const header = "Zm9yLXRoZS1jb2xsZWN0b3I"
	in.Write(t, "headers", "authorization: Bearer "+header+"\n")
	certFile, keyFile := callouttest.NewCA(t).Issue(t, "usher")
	key, err := os.ReadFile(keyFile)
	callouttest.Must(t, err)
	secrets = append(secrets, header, strings.Split(string(key), "\n")[1])
	for _, pattern := range []string{setup.DirKeys + "/*.nk", "*.password"} {
		files, err := filepath.Glob(in.Path(pattern))
		callouttest.Must(t, err)
		if len(files) < 2 {
			t.Fatalf("only %d files are %s", len(files), pattern)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			callouttest.Must(t, err)
			secrets = append(secrets, strings.TrimSpace(string(text)))
		}
	}
	for _, name := range []string{"webhook.secret", "client.secret", "service.token", "headers"} {
		callouttest.Must(t, os.Chmod(in.Path(name), 0o600))
	}
	in.Edit(t, setup.FileConfig, "  messages: true", fmt.Sprintf("  messages: true\n  service_tokens: [{name: pusher, token_file: service.token}]\n  tls: {cert_file: %q, key_file: %q}", certFile, keyFile))
	config, err := os.ReadFile(in.Config())
	callouttest.Must(t, err)
	in.Write(t, setup.FileConfig, string(config)+`
tracing: {endpoint: "http://127.0.0.1:1", headers_file: headers}
credentials:
  webhook: [{name: own, url: "http://127.0.0.1:1/verify", secret_file: webhook.secret}]
  introspection: [{name: idp, url: "http://127.0.0.1:1/introspect", authentication: basic, client_id: usher, client_secret_file: client.secret, any_audience: true}]
`)
	return secrets
}

// Attack: the bundle for a bug report shows a secret
// Held by: all that gets into it passes the redactor, which knows what the files of usher.yaml hold
func TestDoctorBesideUsher(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.Write(t, setup.FileDirectory, aliceDirectory())
	in.NatsServer(t)
	known := everySecret(t, in)
	in.serve(t)
	token, err := os.ReadFile(in.Path("run/healthcheck.token"))
	callouttest.Must(t, err)
	known = append(known, strings.TrimSpace(string(token)))

	// A log and an audit in which all secrets stand, in every form.
	var log strings.Builder
	lines := 0
	for _, s := range known {
		for _, form := range formsOf(s) {
			lines++
			fmt.Fprintf(&log, "time=2026-12-01T00:00:00Z level=ERROR msg=\"line %d\" error=%s\n", lines, form)
		}
	}
	unknown := secretsOfEveryShape()
	for _, s := range append(unknown, "nats://bob:hunter22@10.1.2.3:4222", "x-api-key: hunter22", "GET /v1/projects?key=hunter22") {
		fmt.Fprintf(&log, "level=ERROR msg=%q\n", s)
	}
	in.Write(t, "usher.log", "level=INFO msg=\"too old\"\n"+log.String())
	audit, err := os.OpenFile(in.Path("audit.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	callouttest.Must(t, err)
	_, err = audit.WriteString(log.String())
	callouttest.Must(t, errors.Join(err, audit.Close()))
	n := fmt.Sprint(strings.Count(log.String(), "\n"))

	to := filepath.Join(t.TempDir(), "report.tar.gz")
	args := []string{"doctor", "-c", in.Config(), "--json", "--to", to, "--log", in.Path("usher.log"), "--lines", n, "--with-audit", n}
	code, stdout, stderr := usher(t, args...)
	var found checked
	callouttest.Must(t, json.Unmarshal([]byte(stdout), &found))
	found.code = code
	for _, want := range []string{"connect", "issuer", "memory", "disk", "tcp", "clock offset", "running usher"} {
		if runtime.GOOS != "linux" && (want == "memory" || want == "disk") {
			continue
		}
		if !slices.ContainsFunc(found.Findings, func(f finding.Finding) bool { return f.Check == want && f.Severity == finding.OK }) {
			t.Errorf("no finding of %s is ok:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "wrote report.tar.gz") {
		t.Errorf("stderr: %s", stderr)
	}
	if info, err := os.Stat(to); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Fatalf("the bundle: %v %v", info, err)
	}
	files := unpack(t, to)
	for name, want := range map[string]string{
		"MANIFEST.txt": "logs/audit.jsonl\n", "findings.txt": "clock offset", "findings.json": `"check": "clock offset"`,
		"system.json": `"arch": "` + runtime.GOARCH, "build.txt": "github.com/nats-io/nats.go", "usher.yaml.txt": "nats.password_file: ",
		"keyring.json": `"public_key": "` + in.issuer(t), "nats/servers.json": `"name": "`, "nats/varz.json": `"auth_required"`,
		"usher/metrics.txt": "\nusher_configuration_restart_needed ", "usher/readyz.txt": "",
		"logs/1.txt": "line 1\"", "logs/audit.jsonl": fmt.Sprintf("line %d\"", lines),
	} {
		if text, ok := files[name]; !ok || !strings.Contains(text, want) {
			t.Errorf("%s has no %q:\n%s", name, want, text)
		}
	}
	for name := range files {
		if name != "MANIFEST.txt" && !strings.Contains(files["MANIFEST.txt"], name+"\n") {
			t.Errorf("MANIFEST.txt does not say what %s is", name)
		}
	}
	if strings.Contains(files["logs/1.txt"], "too old") || strings.Count(files["logs/1.txt"], secret.Hidden) < lines {
		t.Errorf("the end of the log is:\n%s", files["logs/1.txt"])
	}
	for name, text := range files {
		for _, s := range known {
			for _, form := range formsOf(s) {
				if strings.Contains(text, form) {
					t.Errorf("%s shows %q", name, form)
				}
			}
		}
		for _, s := range append(unknown, "hunter22") {
			if strings.Contains(text, s[:8]) && s[:6] != "usher_" || strings.Contains(text, s[len(s)-8:]) {
				t.Errorf("%s shows %q", name, s)
			}
		}
	}

	// It never overwrites.
	if code, _, stderr := usher(t, args...); code != cmdutil.ExitUsage || !strings.Contains(stderr, "there is a file report.tar.gz already") {
		t.Errorf("again: %d %s", code, stderr)
	}
}

// TestDoctorWithoutConfiguration: what is wrong with usher.yaml is what the report is about.
func TestDoctorWithoutConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, to := filepath.Join(dir, "usher.yaml"), filepath.Join(dir, "r.tar.gz")
	callouttest.Must(t, os.WriteFile(file, []byte("natz: {}\n"), 0o600))
	code, stdout, _ := usher(t, "doctor", "-c", file, "--to", to)
	if code != cmdutil.ExitConfig || !strings.Contains(stdout, "error   configuration") {
		t.Errorf("%d %s", code, stdout)
	}
	files := unpack(t, to)
	if !strings.Contains(files["findings.txt"], "natz") || files["system.json"] == "" || !strings.Contains(files["MANIFEST.txt"], "usher.yaml and all that it names") {
		t.Errorf("the bundle has %v", files)
	}
	if code, _, _ := usher(t, "doctor", "-c", file, "--no-bundle", "--to", filepath.Join(dir, "none")); code != cmdutil.ExitConfig {
		t.Errorf("--no-bundle: %d", code)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("--no-bundle wrote a file: %v", err)
	}
	if code, _, stderr := usher(t, "doctor", "-c", file, "--to", filepath.Join(dir, "r2"), "--log", filepath.Join(dir, "no.log")); code != cmdutil.ExitUsage {
		t.Errorf("a log that is missing: %d %s", code, stderr)
	}
}
