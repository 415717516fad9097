package issuer_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/issuer/keyring"
)

// A client gets in where the keyring holds no seed that signs: config mode.
func TestServerTakesCommand(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	seed := filepath.Join(t.TempDir(), "elsewhere.nk")
	callouttest.WriteSeed(t, seed, keys.IssuerSeed)
	dir := t.TempDir()
	state := fmt.Sprintf("keys:\n  - kind: issuer\n    public_key: %s\n    command: [%q, base64, %q]\n    state: active\n", keys.Issuer, program(t), seed)
	must(t, os.WriteFile(filepath.Join(dir, keyring.StateFile), []byte(state), 0o600))

	server := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: server.URL(), Keyring: dir, Directory: callouttest.Directory(callouttest.DirectoryText),
	})
	getsIn(t, s, server.URL(), "publisher-key")
	isDenied(t, server.URL())

	// Without the seed that it signs with, nobody is answered: not a denial, which
	// clients take as final.
	must(t, os.Remove(seed))
	nc, err := nats.Connect(server.URL(), nats.Token("publisher-key"))
	if err == nil {
		nc.Close()
		t.Fatal("got in without a signature")
	}
	event := s.WaitEvent(t, callout.CodeSign)
	if event.Text("outcome") != string(callout.Unavailable) || !strings.Contains(event.Text("cause"), "exit status 3: open ") {
		t.Errorf("got %v", event)
	}
}

// The same in operator mode: user JWTs of one account, and the responses, are
// signed elsewhere, by different keys; those of another account here.
func TestServerTakesCommandInOperatorMode(t *testing.T) {
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{Sealed: true})
	elsewhere, signer := t.TempDir(), program(t)
	path := filepath.Join(o.Keyring, keyring.StateFile)
	state, err := os.ReadFile(path)
	must(t, err)
	for _, name := range []string{callouttest.CalloutAccount, callouttest.AppAccount} {
		file := name + keyring.SeedSuffix
		must(t, os.Rename(filepath.Join(o.Keyring, file), filepath.Join(elsewhere, file)))
		state = []byte(strings.Replace(string(state), "file: "+file+"\n", fmt.Sprintf("command: [%q, raw, %q]\n", signer, filepath.Join(elsewhere, file)), 1))
	}
	must(t, os.WriteFile(path, state, 0o600))
	o.Start(t)
	s := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.Directory(callouttest.DirectoryText)})
	for _, account := range []string{callouttest.CalloutAccount, callouttest.AppAccount} {
		if signer, ok := s.Keyring().Signer(o.Signing[account].Issuer); !ok || signer == nil {
			t.Errorf("%s: no signer", account)
		}
	}
	getsIn(t, s, o.URLs(), "publisher-key")
	isDenied(t, o.URLs())
}

func getsIn(t *testing.T, s *callouttest.Service, url, token string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token(token))
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Log)
	}
	defer nc.Close()
	must(t, nc.Publish("shop.orders", nil))
	must(t, nc.Flush())
	must(t, nc.LastError())
}

// isDenied: a denial is signed elsewhere too.
func isDenied(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token("nobody's key"))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v", err)
	}
}
