package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"usher/cmd/usher/cmdutil"
	"usher/internal/secretfile"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest"
	"usher/app/demo"
	"usher/app/setup"

	"usher/callout/callouttest"
)

// TestDevAgain: a second start in the same directory keeps the demo and its files, and
// works without --listen.
func TestDevAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	p, first := startDev(t, "--dir", dir, "--listen", "127.0.0.1:0")
	if first.Dir != dir {
		t.Errorf("dir %s", first.Dir)
	}
	seeds := func() (text string) {
		for _, name := range []string{"keys/issuer.nk", "keys/xkey.nk", "service.password", "usher.yaml"} {
			b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			callouttest.Must(t, err)
			text += string(b)
		}
		return text
	}
	before := seeds()
	callouttest.Must(t, p.cmd.Process.Kill())
	p.wait(t)
	_, second := startDev(t, "--dir", dir)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("first %+v\nthen  %+v", first, second)
	}
	if seeds() != before {
		t.Error("the files changed")
	}
	connectDev(t, &second, first.token(t, "publisher"))
}

// TestDevTwice: a second dev in the same directory fails, because two servers would
// corrupt the JetStream store. The address file of a killed run is ignored.
func TestDevTwice(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	ctx, stop := context.WithCancel(t.Context())
	own := ownAddress(t)
	var stdout, stderr callouttest.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"usher", "dev", "--json", "--listen", own, "--dir", dir}, &stdout, &stderr)
	}()
	callouttest.Eventually(t, "it is ready", func() bool { return strings.HasSuffix(stdout.String(), "\n") })
	addr, err := os.ReadFile(demo.AddrFile(dir))
	callouttest.Must(t, err)
	if !strings.Contains(stdout.String(), "nats://"+strings.TrimSpace(string(addr))) {
		t.Errorf("%s does not name the server of %s", addr, stdout.String())
	}
	code, out, errs := usher(t, "dev", "--json", "--dir", dir, "--listen", "127.0.0.1:0")
	if want := "usher: error: " + dir + " is in use by another usher dev, at " + string(addr); code != cmdutil.ExitRuntime || out != "" ||
		!strings.Contains(errs, want) || !strings.Contains(errs, "usher: hint: end that one") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	stop()
	if code := <-ended; code != cmdutil.ExitOK {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
	if apptest.FileExists(demo.AddrFile(dir)) {
		t.Error("the address stays")
	}
	callouttest.Must(t, secretfile.Write(demo.AddrFile(dir), addr))
	startDev(t, "--dir", dir)
}

// TestDevStaleAddress: an address file without a listener is ignored.
func TestDevStaleAddress(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	for text, free := range map[string]bool{
		"": true, "\n": true, "teapot": true, "a\nb": true, "127.0.0.1:1": true,
		l.Addr().String(): false,
	} {
		callouttest.Must(t, secretfile.Write(demo.AddrFile(dir), []byte(text)))
		if err := demo.CheckUnused(t.Context(), dir); (err == nil) != free {
			t.Errorf("%q: %v", text, err)
		}
	}
	callouttest.Must(t, l.Close())
	// A process that another test just starts has the listener until it becomes its program.
	callouttest.Eventually(t, "nobody is there any more", func() bool { return demo.CheckUnused(t.Context(), dir) == nil })
}

// TestDevInterrupted: a first start that was killed at any step continues, with the same
// identities.
func TestDevInterrupted(t *testing.T) {
	t.Parallel()
	seeds := []string{setup.FileIssuer, setup.FileXKey}
	for name, missing := range map[string][]string{
		"all but the demo":       append([]string{setup.FilePassword, setup.FileServerConfig, setup.FileConfig}, seeds...),
		"all but demo and seeds": {setup.FilePassword, setup.FileServerConfig, setup.FileConfig},
		"the last two":           {setup.FileServerConfig, setup.FileConfig},
		"the last":               {setup.FileConfig},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			made, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0"})
			callouttest.Must(t, err)
			for _, file := range missing {
				callouttest.Must(t, os.Remove(filepath.Join(dir, filepath.FromSlash(file))))
			}
			_, a := startDev(t, "--dir", dir, "--listen", "127.0.0.1:0")
			for _, i := range made.Directory.Identities {
				if a.token(t, i.Role) != i.Token {
					t.Errorf("%s has another token", i.Name)
				}
			}
			if !connectDev(t, &a, a.token(t, "publisher")).publishes(t, "shop.orders") {
				t.Error("the publisher may not publish")
			}
		})
	}
}

// TestDevConfigTakenAway: dev does not recreate files that no interrupted start can have
// left missing.
func TestDevConfigTakenAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0"})
	callouttest.Must(t, err)
	callouttest.Must(t, os.Remove(filepath.Join(dir, setup.FileConfig)))
	callouttest.Must(t, os.Mkdir(filepath.Join(dir, setup.DirJetStream), 0o700)) // it ran
	code, _, stderr := usher(t, "dev", "--dir", dir)
	if code != cmdutil.ExitConfig || !strings.Contains(stderr, "already exists") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// TestDevDemoFirst: demo.json is written before the files that depend on it.
func TestDevDemoFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := demo.Prepare(dir, demo.Options{Listen: "no address"}); err == nil {
		t.Fatal("it was made")
	}
	var d demo.Directory
	callouttest.Must(t, d.Load(filepath.Join(dir, demo.FileDemo)))
	again, err := demo.Prepare(dir, demo.Options{})
	callouttest.Must(t, err)
	if !reflect.DeepEqual(again.Directory, d) {
		t.Error("another demo")
	}
}

// TestDevOtherFolder: dev puts no keys among files of something else.
func TestDevOtherFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	callouttest.Must(t, os.Chmod(dir, 0o700))
	callouttest.Must(t, os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	callouttest.Must(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600))
	for _, args := range [][]string{{}, {"--operator"}, {"--event-gateway", "--streaming", "off"}} {
		code, _, stderr := usher(t, append([]string{"dev", "--dir", dir}, args...)...)
		if code != cmdutil.ExitConfig || !strings.Contains(stderr, dir+" is not empty, and usher dev has not made it\nusher: hint: give a --dir") {
			t.Errorf("%q: exit code %d\n%s", args, code, stderr)
		}
	}
	callouttest.Must(t, os.Remove(filepath.Join(dir, "thesis.tex")))
	_, err := demo.Prepare(dir, demo.Options{Listen: "127.0.0.1:0"}) // an empty volume
	callouttest.Must(t, err)
}

// TestDevEdited: dev starts in a directory without the demo's operator, and with a stream
// that usher does not change, and notes it.
func TestDevEdited(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	p, a := startDev(t, "--dir", dir, "--listen", ownAddress(t))
	admin := a.token(t, "service_admin")
	nc, err := nats.Connect(a.URL, nats.Token(admin))
	callouttest.Must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	stream, err := js.Stream(t.Context(), "shop")
	callouttest.Must(t, err)
	edited := stream.CachedInfo().Config
	edited.NoAck = true
	_, err = js.UpdateStream(t.Context(), edited)
	callouttest.Must(t, err)
	second := demoAPI(t, &a, admin, http.MethodPost, "/v1/users/second", `{"service_roles":["service_admin"]}`)
	token, _ := second["token"].(string)
	demoAPI(t, &a, token, http.MethodPut, "/v1/users/"+demo.ServiceAdmin, `{"service_roles":["ingest"]}`)
	callouttest.Must(t, p.cmd.Process.Kill())
	p.wait(t)
	p, a = startDev(t, "--dir", dir)
	p.waitFor(t, "usher: note: not all streams are as the directory says: streams of project shop: ")
	if !connectDev(t, &a, a.token(t, "publisher")).publishes(t, "shop.orders") {
		t.Error("the publisher may not publish")
	}
}

// demoAPI sends a request to the API of a dev server, and returns the response.
func demoAPI(t *testing.T, a *announced, token, method, path, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.API+path, strings.NewReader(body))
	callouttest.Must(t, err)
	r.Header.Set("x-api-key", token)
	answer, err := http.DefaultClient.Do(r)
	callouttest.Must(t, err)
	defer answer.Body.Close() //nolint:errcheck // read only
	var out map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %v %v", method, path, answer.Status, out, err)
	}
	return out
}

// TestDevOtherDirectory: dev does not change a directory that "usher init" created.
func TestDevOtherDirectory(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	for range 2 { // the first leaves nothing behind that the second would take for a demo
		code, stdout, stderr := usher(t, "dev", "--json", "--dir", in.Dir)
		if code != cmdutil.ExitConfig || stdout != "" || !strings.Contains(stderr, "already exists") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	}
	if apptest.FileExists(in.Path(demo.FileDemo)) || apptest.FileExists(in.Path(demo.DirTokens)) {
		t.Error("a demo was written into it")
	}
}
