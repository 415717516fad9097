package eventgateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest"
	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/app/checkup"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// automateInternal is the configuration of an internal server as Chef Automate has it: all
// clients are in the global account, and the gateway does not refuse other clusters.
const automateInternal = `
server_name: event-service
listen: "%s"
tls { cert_file: %q, key_file: %q, ca_file: %q, verify_and_map: true }
authorization { users: [ { user: "event-service" }, { user: "applications-service" } ] }
gateway {
  name: event-service
  listen: "%s"
  tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }
  gateways: [ { name: event-gateway, urls: [ "nats://%s", "nats://event-gateway:1" ] } ]
}
`

// An external server with usher takes the place of Automate's own, in front of an
// event-service that stays as it is: a NATS Streaming server with a nats-server of release
// 2.9 inside. This is the first step of docs/from-event-gateway.md.
func TestFromAutomate(t *testing.T) {
	t.Parallel()
	old := newSite(t, nil) // for its certificates and addresses
	s := &site{streaming: old.streaming, Gateway: gatewaytest.New(t, func(o *setup.EventGateway) {
		o.ExternalOnly, o.PKI, o.Hosts = true, old.Path(setup.DirPKI), nil
		o.Internal, o.Reach.Internal = old.Internal, old.Gateways[1]
	})}
	ca, cert, key := old.Path(setup.FileCA), old.Path(setup.CertFile(setup.GatewayInternal)), old.Path(setup.KeyFile(setup.GatewayInternal))
	old.Write(t, "automate.conf", fmt.Sprintf(automateInternal, old.Internal, cert, key, ca, old.Gateways[1], cert, key, ca, s.Gateways[0]))
	event := s.streaming.Start(t, "embedded", "--config", old.Path("automate.conf"),
		"--tls-ca", ca, "--tls-cert", cert, "--tls-key", key, "--tls-name", setup.GatewayInternal)
	callouttest.Eventually(t, "event-service is ready", func() bool { return event.Lines()[0] == "ready" })

	external := s.Server(t, setup.FileExternal)
	s.Usher(t)
	callouttest.Eventually(t, "the servers are joined", func() bool { return external.Gateways() == 1 })
	checkFromAutomate(t, s)
	service := old.Service(t, setup.ServiceApplications)
	events, err := service.QueueSubscribeSync("habitat.event.>", "automate")
	callouttest.Must(t, err)
	callouttest.Must(t, service.Flush())
	reader := old.read(t)

	supervisor := apptest.Connected(t, s.URL, nats.Token(gatewaytest.IngestToken), nats.Secure(old.ExternalTLS(t, "localhost")))
	callouttest.Must(t, supervisor.Publish("habitat.event.healthcheck", []byte("x")))
	m, err := events.NextMsg(patience)
	callouttest.Must(t, err)
	if m.Subject != "habitat.event.healthcheck" || string(m.Data) != "x" {
		t.Errorf("received %s %q", m.Subject, m.Data)
	}
	args := []string{"--nats-url", s.URL, "--tls-ca", ca, "--tls-name", "localhost", "--token-file", old.Path("token")}
	publisher := s.streaming.Start(t, append([]string{
		"client", "--op", "publish-many", "--channel", channel, "--client-id", "older", "--prefix", "older:", "--count", "50", "--interval", "5ms",
	}, args...)...)
	callouttest.Eventually(t, "the service reads what an older supervisor publishes", func() bool { return received(t, reader)["older:50"] == 1 })
	for name, p := range map[string]*habitattest.StreamingProcess{"publisher": publisher, "reader": reader} {
		if r := p.Result(); !r.OK || len(r.PermissionErrors) > 0 || r.Denials > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// An older supervisor that publishes at once, and does not repeat it, can miss the
	// acknowledgement here, as in Automate: docs/from-event-gateway.md.
	for op, refused := range map[string]string{"subscribe": `"_STAN.sub`, "publish": `.other"`} {
		r := s.streaming.Client(t, append([]string{"--client-id", op, "--op", op, "--channel", "other", "--timeout", "3s"}, args...)...)
		if r.OK || len(r.PermissionErrors) == 0 || !strings.Contains(r.PermissionErrors[0], refused) {
			t.Errorf("%s: %+v", op, r)
		}
	}
}

// checkFromAutomate: usher check has no errors, and does not tell to start a server that
// runs. The older nats-server has another system account.
func checkFromAutomate(t *testing.T, s *site) {
	t.Helper()
	cfg, err := config.Load(s.Config())
	callouttest.Must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var f finding.List
	checkup.Check(ctx, &f, s.Config(), cfg, false, []string{s.Path(setup.FileExternal)})
	runs := false
	for _, x := range f {
		if x.Severity == finding.Error {
			t.Errorf("%+v", x)
		}
		runs = runs || strings.HasPrefix(x.Detail, "it is joined, but no server of it answers to the system user")
	}
	if !runs {
		t.Errorf("%+v", f)
	}
}
