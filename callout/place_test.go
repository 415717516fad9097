package callout_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"usher/callouttest"
)

// A service user that may not subscribe is of no use: the service says so, and
// comes back by itself when the server's configuration is mended.
func TestRefusedSubscriptionIsMended(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
	password := `password: "` + callouttest.Password + `"`
	srv.SetServiceUser(t, password+`, permissions: {subscribe: {allow: ["_INBOX.>", "$SRV.>"]}}`)
	service := callouttest.NewService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.Directory(callouttest.DirectoryText),
	})
	callouttest.Eventually(t, "the service says that it was refused", func() bool {
		err := service.Ready()
		return errors.Is(err, nats.ErrPermissionViolation)
	})
	srv.SetServiceUser(t, password)
	service.WaitReady(t)
	(stage{t, srv, service, keys}).connect(t, "publisher-key")
}

// In another account than the configuration says, the policy would keep clients
// out of the wrong one: nothing is answered.
func TestMisplacedServiceIsSilent(t *testing.T) {
	t.Parallel() // it waits, and so do others
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, Timeout: silenceTimeout})
	service := callouttest.NewService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys),
		Directory: callouttest.Directory(callouttest.DirectoryText), Account: "ELSEWHERE",
	})
	callouttest.Eventually(t, "the service says where it is", func() bool {
		err := service.Ready()
		return err != nil && strings.Contains(err.Error(), `"AUTH"`) && strings.Contains(err.Error(), `"ELSEWHERE"`)
	})
	nc, err := nats.Connect(srv.URL(), nats.Token("publisher-key"))
	if err == nil {
		nc.Close()
		t.Fatal("let in")
	}
	if errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("refused: %v", err)
	}
	if e := service.WaitEvent(t, "wrong_account"); e.Text("outcome") != "unavailable" {
		t.Errorf("event %v", e)
	}
}
