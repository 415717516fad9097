package apptest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/config"
	"usher/app/devserver"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/internal/secretfile"
)

// Site is an installation in a temporary folder, on free ports.
type Site struct {
	Dir string // with the files of "usher init"
	URL string // of nats-server
	Web string // of http.listen
}

// NewSite writes the files of an installation. options changes the options of setup.
func NewSite(tb testing.TB, options func(o *setup.Options)) Site {
	tb.Helper()
	port := callouttest.FreePort(tb)
	in := Site{
		Dir: filepath.Join(tb.TempDir(), "site"),
		URL: fmt.Sprintf("nats://127.0.0.1:%d", port),
		Web: fmt.Sprintf("http://127.0.0.1:%d", port+1),
	}
	o := setup.Options{
		Dir: in.Dir, Listen: strings.TrimPrefix(in.URL, "nats://"), Random: rand.Reader, Now: time.Now(),
		Config: map[string]string{"http.listen": strings.TrimPrefix(in.Web, "http://"), "api.listen": "127.0.0.1:0"},
	}
	options(&o)
	_, err := setup.Write(o)
	callouttest.Must(tb, err)
	return in
}

// Path returns the path of a file of the installation. name has slashes.
func (in Site) Path(name string) string {
	return filepath.Join(in.Dir, filepath.FromSlash(name))
}

// Config returns the path of usher.yaml.
func (in Site) Config() string { return in.Path(setup.FileConfig) }

// Edit replaces old, which must occur once in a file.
func (in Site) Edit(tb testing.TB, name, old, replacement string) {
	tb.Helper()
	text, err := os.ReadFile(in.Path(name))
	callouttest.Must(tb, err)
	if bytes.Count(text, []byte(old)) != 1 {
		tb.Fatalf("%s does not contain %q once:\n%s", name, old, text)
	}
	in.Write(tb, name, strings.Replace(string(text), old, replacement, 1))
}

// Write replaces a file atomically, as an operator's tool would.
func (in Site) Write(tb testing.TB, name, text string) {
	tb.Helper()
	callouttest.Must(tb, secretfile.Write(in.Path(name), []byte(text)))
}

// NatsServer starts the nats-server of the installation. It stops when the test ends.
func (in Site) NatsServer(tb testing.TB) *devserver.Server {
	tb.Helper()
	var srv *devserver.Server
	var err error
	// A process that another test is just starting can inherit the listener of the previous
	// server until its exec.
	callouttest.Eventually(tb, "its port is free", func() bool {
		srv, err = devserver.Start(devserver.Config{ConfigFile: in.Path(setup.FileServerConfig), LogFile: in.Path("nats-server.log")})
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	callouttest.Must(tb, err)
	tb.Cleanup(srv.Stop)
	return srv
}

// Attempts is how often a test tries what can time out on a slow machine. Clients give up
// after two seconds, usher earlier; a timeout on a machine that stalls for that long shows no
// fault of usher.
const Attempts = 8

// Late reports whether a text is about a timeout.
func Late(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "timeout") || strings.Contains(text, "deadline exceeded")
}

// Unanswered reports whether a client gave up before it was accepted or refused.
func Unanswered(text string) bool {
	return Late(text) || strings.Contains(text, "got 'PING'") // the server sends the first after two seconds
}

// Connected returns a connection, or fails the test. It closes when the test ends.
func Connected(tb testing.TB, url string, options ...nats.Option) *nats.Conn {
	tb.Helper()
	var nc *nats.Conn
	var err error
	for range Attempts {
		if nc, err = nats.Connect(url, options...); err == nil || !Unanswered(err.Error()) {
			break
		}
		tb.Logf("timed out, trying again: %v", err)
	}
	callouttest.Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}

// ConfigFor writes the files of an installation for a server of callouttest, and returns the
// path of usher.yaml. more has configuration keys and values that differ from the defaults.
func ConfigFor(tb testing.TB, srv *callouttest.Server, keyring string, more map[string]string) string {
	tb.Helper()
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
	callouttest.Must(tb, err)
	dir := tb.TempDir()
	callouttest.Must(tb, secretfile.Write(filepath.Join(dir, "usher.yaml"), text))
	callouttest.Must(tb, secretfile.Write(filepath.Join(dir, "password"), []byte(callouttest.Password+"\n")))
	callouttest.Must(tb, secretfile.Write(filepath.Join(dir, "directory.yaml"), []byte(callouttest.WithDigests(callouttest.DirectoryYAML))))
	return filepath.Join(dir, "usher.yaml")
}

// FileExists reports whether a file or folder exists.
func FileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
