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

// Site is an installation on ports of its own.
type Site struct {
	Dir, Url, Web string
}

// NewSite writes the files of an installation; options changes what is written.
func NewSite(tb testing.TB, options func(o *setup.Options)) Site {
	tb.Helper()
	port := callouttest.FreePort(tb)
	in := Site{
		Dir: filepath.Join(tb.TempDir(), "site"),
		Url: fmt.Sprintf("nats://127.0.0.1:%d", port),
		Web: fmt.Sprintf("http://127.0.0.1:%d", port+1),
	}
	o := setup.Options{
		Dir: in.Dir, Listen: strings.TrimPrefix(in.Url, "nats://"), Random: rand.Reader, Now: time.Now(),
		Config: map[string]string{"http.listen": strings.TrimPrefix(in.Web, "http://")},
	}
	options(&o)
	_, err := setup.Write(o)
	callouttest.Must(tb, err)
	return in
}

func (in Site) Path(name string) string {
	return filepath.Join(in.Dir, filepath.FromSlash(name))
}

func (in Site) Config() string { return in.Path(setup.FileConfig) }

// Edit replaces what stands once in a file.
func (in Site) Edit(tb testing.TB, name, old, replacement string) {
	tb.Helper()
	text, err := os.ReadFile(in.Path(name))
	callouttest.Must(tb, err)
	if bytes.Count(text, []byte(old)) != 1 {
		tb.Fatalf("%s does not hold %q once:\n%s", name, old, text)
	}
	in.Write(tb, name, strings.Replace(string(text), old, replacement, 1))
}

// Write replaces a file in one step, as an operator's tool would.
func (in Site) Write(tb testing.TB, name, text string) {
	tb.Helper()
	callouttest.Must(tb, secretfile.Write(in.Path(name), []byte(text)))
}

// NatsServer starts the server of the installation. It ends with the test.
func (in Site) NatsServer(tb testing.TB) *devserver.Server {
	tb.Helper()
	var srv *devserver.Server
	var err error
	// Of the one before it a process that another test just starts can have the
	// listener, until it becomes its program.
	callouttest.Eventually(tb, "its port is free", func() bool {
		srv, err = devserver.Start(devserver.Config{ConfigFile: in.Path(setup.FileServerConfig), LogFile: in.Path("nats-server.log")})
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	callouttest.Must(tb, err)
	tb.Cleanup(srv.Stop)
	return srv
}

// Clients give up after two seconds, usher before them. On a machine that stands
// still for that long, somebody who waits in vain says nothing about usher: clients
// and people try again, and so do tests that are not about waiting.

// Attempts is how often it is tried.
const Attempts = 8

// Late reports whether a text says that something did not come in time.
func Late(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "timeout") || strings.Contains(text, "deadline exceeded")
}

// Unanswered reports whether a client gave up before it was let in or refused.
func Unanswered(text string) bool {
	return Late(text) || strings.Contains(text, "got 'PING'") // the first comes after two seconds
}

// Connected is a connection that has to come about; it ends with the test.
func Connected(tb testing.TB, url string, options ...nats.Option) *nats.Conn {
	tb.Helper()
	var nc *nats.Conn
	var err error
	for range Attempts {
		if nc, err = nats.Connect(url, options...); err == nil || !Unanswered(err.Error()) {
			break
		}
		tb.Logf("again, since nobody answered: %v", err)
	}
	callouttest.Must(tb, err)
	tb.Cleanup(nc.Close)
	return nc
}

// ConfigFor writes an installation's files that fit a server of the harness.
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

// FileExists reports whether something has this name.
func FileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
