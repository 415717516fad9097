package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
)

// TestDevAddresses: a new directory stores the addresses of --api and --http; in an
// existing one they override the files for one run.
func TestDevAddresses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	config := func() string {
		text, err := os.ReadFile(filepath.Join(dir, setup.FileConfig))
		callouttest.Must(t, err)
		return string(text)
	}
	serves := func(web string) {
		t.Helper()
		res, err := http.Get("http://" + web + "/healthz")
		callouttest.Must(t, err)
		callouttest.Must(t, res.Body.Close())
	}
	api, web := ownAddress(t), ownAddress(t)
	p, first := startDev(t, "--dir", dir, "--listen", ownAddress(t), "--api", api, "--http", web)
	written := config()
	if first.API != "http://"+api || !strings.Contains(written, api) || !strings.Contains(written, web) {
		t.Errorf("API at %s, usher.yaml\n%s", first.API, written)
	}
	serves(web)
	callouttest.Must(t, p.cmd.Process.Kill())
	p.wait(t)

	api, web = ownAddress(t), ownAddress(t)
	_, second := startDev(t, "--dir", dir, "--api", api, "--http", web)
	if second.API != "http://"+api || config() != written {
		t.Errorf("API at %s, usher.yaml\n%s", second.API, config())
	}
	serves(web)
}

func TestDevAddressErrors(t *testing.T) {
	t.Parallel()
	for option, message := range map[string]string{
		"--api=0.0.0.0:9779":   `--api "0.0.0.0:9779" is not a loopback address`,
		"--api=:9779":          `--api ":9779" is not a loopback address`,
		"--api=9779":           `--api "9779" is not HOST:PORT`,
		"--http=localhost:web": `--http "localhost:web" is not HOST:PORT`,
	} {
		if code, stdout, stderr := usher(t, "dev", option); code != cmdutil.ExitUsage || stdout != "" || !strings.Contains(stderr, message) {
			t.Errorf("%s: exit code %d\n%s%s", option, code, stdout, stderr)
		}
	}
}

// TestDevPortOption: the hint names the option of the listener that failed.
func TestDevPortOption(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	defer l.Close() //nolint:errcheck // the end of the test
	for _, option := range []string{"--listen", "--api", "--http"} {
		args := []string{"dev", option, l.Addr().String()}
		if option != "--listen" {
			args = append(args, "--listen", "127.0.0.1:0")
		}
		code, stdout, stderr := usher(t, args...)
		hint := "hint: " + option + " HOST:PORT takes another address, " + option + " 127.0.0.1:0 a free port\n"
		if code != cmdutil.ExitRuntime || stdout != "" || !strings.HasSuffix(stderr, hint) {
			t.Errorf("%s: exit code %d\n%s%s", option, code, stdout, stderr)
		}
	}
}
