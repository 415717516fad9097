package callout_test

import (
	"crypto/tls"
	"fmt"
	"testing"

	"usher/app/apptest/habitattest"
	"usher/callout/callouttest"
)

func TestHabitatSupervisor(t *testing.T) {
	plainAndSealed(t, func(s testEnv) { habitat(s.t, s, nil) })
	t.Run("TLS", func(t *testing.T) {
		keys, ca := callouttest.NewKeys(t), callouttest.NewCA(t)
		srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true, TLS: ca})
		service := callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), TLS: ca,
			Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		})
		habitat(t, testEnv{t, srv, service, keys}, ca.ClientTLS())
	})
}

func habitat(t *testing.T, s testEnv, config *tls.Config) {
	t.Helper()
	admin := s.server.Connect(t, callouttest.AdminUser)
	events, err := admin.SubscribeSync("habitat.event.>")
	callouttest.Must(t, err)
	callouttest.Must(t, admin.Flush())

	hab := habitattest.Dial(t, s.server.Addr(), config)
	hab.Handshake("ingest-key")
	for _, kind := range habitattest.Events() {
		hab.Publish("habitat.event."+kind, kind)
		hab.Expect("+OK")
		m, err := events.NextMsg(testTimeout)
		callouttest.Must(t, err)
		if m.Subject != "habitat.event."+kind || string(m.Data) != kind {
			t.Errorf("%s: received %s %q", kind, m.Subject, m.Data)
		}
	}
	for _, subject := range []string{"habitat.event", "habitat.other", "shop.orders", "$SYS.REQ.USER.AUTH"} {
		hab.Publish(subject, "x")
		hab.Refused(fmt.Sprintf("Permissions Violation for Publish to %q", subject))
	}
	for i, subject := range []string{">", "habitat.event.>", "_INBOX_publisher.>"} {
		hab.Send(fmt.Sprintf("SUB %s %d\r\n", subject, i+1))
		hab.Refused(fmt.Sprintf("Permissions Violation for Subscription to %q", subject))
	}

	for _, token := range []string{"unknown-key", "", "usher_mistyped"} {
		bad := habitattest.Dial(t, s.server.Addr(), config)
		bad.Connect(token)
		bad.Expect("-ERR 'Authorization Violation'")
	}
}
