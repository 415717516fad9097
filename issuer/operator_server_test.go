package issuer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callout"
	"usher/callout/callouttest"
	"usher/issuer/keyring"
)

// A client whose account has no signing key gets no response and no denial, because the
// key may still be added. Clients of other accounts are answered.
func TestNoResponseWithoutSigningKey(t *testing.T) {
	t.Parallel()
	o := callouttest.NewOperator(t, callouttest.OperatorConfig{})
	path := filepath.Join(o.Keyring, keyring.StateFile)
	state, err := os.ReadFile(path)
	must(t, err)
	entry := "file: OTHER.nk\n    state: active\n"
	if !strings.Contains(string(state), entry) {
		t.Fatalf("no key of OTHER in\n%s", state)
	}
	must(t, os.WriteFile(path, []byte(strings.Replace(string(state), entry, "state: retired\n", 1)), 0o600))
	must(t, keyring.RetireSeed(o.Keyring, "OTHER.nk"))
	o.Start(t)
	s := callouttest.StartService(t, callouttest.ServiceConfig{Operator: o, Directory: callouttest.WithDigests(callouttest.DirectoryYAML)})

	nc, err := nats.Connect(o.URLs(), nats.UserInfo("project=far", "both-key"))
	if err == nil {
		nc.Close()
		t.Fatal("connected without a signing key of the account")
	}
	if errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("denied: %v", err)
	}
	event := s.WaitEvent(t, callout.CodeNoSigningKey)
	if event.Text("outcome") != string(callout.Unavailable) || event.Text("cause") != "no signing key for OTHER" {
		t.Errorf("got %v", event)
	}
	checkConnects(t, s, o.URLs(), "publisher-key")
}
