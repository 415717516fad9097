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

// In config mode a client connects although the keyring holds no seed: a program signs.
func TestServerAcceptsCommand(t *testing.T) {
	t.Parallel()
	keys := callouttest.NewKeys(t)
	seed := filepath.Join(t.TempDir(), "external.nk")
	callouttest.WriteSeed(t, seed, keys.IssuerSeed)
	dir := t.TempDir()
	state := fmt.Sprintf("keys:\n  - kind: issuer\n    public_key: %s\n    command: [%q, base64, %q]\n    state: active\n", keys.Issuer, program(t), seed)
	must(t, os.WriteFile(filepath.Join(dir, keyring.StateFile), []byte(state), 0o600))

	server := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	s := callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: server.URL(), Keyring: dir, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	checkConnects(t, s, server.URL(), "publisher-key")
	checkDenied(t, server.URL())

	// If the program cannot sign, there is no response. A denial would be final for
	// clients.
	must(t, os.Remove(seed))
	nc, err := nats.Connect(server.URL(), nats.Token("publisher-key"))
	if err == nil {
		nc.Close()
		t.Fatal("connected without a signature")
	}
	event := s.WaitEvent(t, callout.CodeSign)
	if event.Text("outcome") != string(callout.Unavailable) || !strings.Contains(event.Text("cause"), "exit status 3: open ") {
		t.Errorf("got %v", event)
	}
}

// In operator mode programs sign the responses and the user JWTs of one account, each
// with its own key. usher signs those of another account itself.
func TestServerAcceptsCommandInOperatorMode(t *testing.T) {
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{Sealed: true})
	external, signer := t.TempDir(), program(t)
	path := filepath.Join(o.Keyring, keyring.StateFile)
	state, err := os.ReadFile(path)
	must(t, err)
	for _, name := range []string{callouttest.CalloutAccount, callouttest.AppAccount} {
		file := name + keyring.SeedSuffix
		must(t, os.Rename(filepath.Join(o.Keyring, file), filepath.Join(external, file)))
		state = []byte(strings.Replace(string(state), "file: "+file+"\n", fmt.Sprintf("command: [%q, raw, %q]\n", signer, filepath.Join(external, file)), 1))
	}
	must(t, os.WriteFile(path, state, 0o600))
	o.Start(t)
	s := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})
	for _, account := range []string{callouttest.CalloutAccount, callouttest.AppAccount} {
		if signer, ok := s.Keyring().Signer(o.Signing[account].Issuer); !ok || signer == nil {
			t.Errorf("%s: no signer", account)
		}
	}
	checkConnects(t, s, o.URLs(), "publisher-key")
	checkDenied(t, o.URLs())
}

func checkConnects(t *testing.T, s *callouttest.Service, url, token string) {
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

// checkDenied connects with an unknown key. A program signs the denial, too.
func checkDenied(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.Token("unknown-key"))
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("got %v", err)
	}
}
