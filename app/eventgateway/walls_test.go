package eventgateway_test

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/app/pki"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// foreign are subjects on which nobody may publish: those of the servers, of JetStream, of
// replies to other accounts, and of whatever else could be there.
func foreign() []string {
	return []string{
		"$SYS.REQ.USER.AUTH", "$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.ACCOUNT.INGEST.CONNECT",
		"$JS.API.INFO", "$JS.API.STREAM.CREATE.x", "$JS.ACK.a.b.1.1.1.1.1", "$JSC.R.x", "$KV.b.k", "$O.b.C.x",
		"$GR.x", "$GNR.x", "_GR_.a.b.x", "_GR_.a", "_SR_.x", "$NRG.x", "$SRV.PING", "$MQTT.x", "$LDS.x", "$G.x",
		"shop.orders", "habitat", "habitat.event", "habitat.event.a.b", "habitat.other", "healthcheck.x",
		"_STAN", "_STAN.discover.other", "_STAN.sub.event-service.x", "_STAN.pub.a.other", "_STAN.pub.a.habitat.b",
		"_STAN.pub.a.b.habitat", "_STAN.acks.x", "_STAN.monitor", "_INBOX", "_INBOX_x.y", "_HB",
	}
}

// everything are subscriptions that nobody may have.
func everything() []string {
	return []string{
		">", "*", "*.>", "*.*", "*.*.*", "*.event.>", "$SYS.>", "$JS.>", "$JS.API.>", "$GR.>", "_GR_.>", "_GR_.*.*.>",
		"_R_.*", "$SRV.>", "$KV.>", "$MQTT.>", "_INBOX_x.>", "habitat.other", "_STANX.>", "$SYS.REQ.USER.AUTH", "*.pub.>",
	}
}

// What each side may not do is refused, subject by subject.
func TestWalls(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Start(t)
	const c = setup.StreamingCluster
	services := []string{"_STAN.sub." + c, "_STAN.unsub." + c, "_STAN.subclose." + c} // for services alone
	for _, side := range []struct {
		name, token        string
		addr               string
		tls                *tls.Config
		publish, subscribe []string // are refused, with foreign and everything
		mayPublish, may    []string
	}{
		{
			"supervisor", gatewaytest.IngestToken, g.URL[len("nats://"):], g.ExternalTLS(t, "localhost"),
			append(services, "_R_.x", "_R_.x.y"),
			[]string{"habitat.>", "habitat.event.>", "habitat.event.*", "habitat.event.healthcheck", "_STAN.>", "_STAN.pub.>", "_STAN.pub.*.habitat", "_STAN.close.*", "_STAN.sub." + c, "_STAN.discover." + c, "_STAN.discover.>", "_R_.>", "_STAN.subacks.>"},
			[]string{"habitat.event.healthcheck", "_INBOX.x", "_HB.x", "_STAN.discover." + c, "_STAN.discover." + c + ".pings", "_STAN.pub.a.habitat", "_STAN.close." + c},
			[]string{"_INBOX.>", "_HB.>", "_STAN.acks.>", "_STAN.discover." + c + ".*"},
		},
		{
			setup.ServiceApplications, "", g.Internal, g.InternalTLS(t, setup.ServiceApplications),
			[]string{"habitat.event.healthcheck", "_R_.x", "_STAN.pub.a.habitat"},
			[]string{"habitat.>", "_STAN.>", "_STAN.pub.>", "_STAN.close.*", "_STAN.sub." + c, "_STAN.discover." + c, "_STAN.discover." + c + ".*", "_R_.>", "_HB.>"},
			[]string{"_INBOX.x", "_STAN.sub." + c, "_STAN.discover." + c},
			[]string{"_INBOX.>", "habitat.event.>", "habitat.event.healthcheck"},
		},
		{
			setup.GatewayInternal, "", g.Internal, g.InternalTLS(t, setup.GatewayInternal),
			[]string{"habitat.event.healthcheck", "_HB.x", "_STAN.pub." + c + ".habitat", "_STAN.sub." + c},
			[]string{"habitat.event.>", "habitat.event.healthcheck", "_R_.>", "_HB.>", "_STAN.>", "_STAN.acks.>"},
			[]string{"_INBOX.x", "_R_.x", "_STAN.discover." + c},
			[]string{"_INBOX.>", "_STAN.pub." + c + ".>", "_STAN.sub." + c, "_STAN.close." + c, "_STAN.discover." + c},
		},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			c := habitattest.Dial(t, side.addr, side.tls)
			c.Handshake(side.token)
			for _, subject := range append(foreign(), side.publish...) {
				c.Publish(subject, "x")
				c.Refused(fmt.Sprintf("Permissions Violation for Publish to %q", subject))
			}
			for i, subject := range append(everything(), side.subscribe...) {
				c.Send(fmt.Sprintf("SUB %s %d\r\n", subject, i+1))
				c.Refused(fmt.Sprintf("Permissions Violation for Subscription to %q", subject))
			}
			for _, subject := range side.mayPublish {
				c.Publish(subject, "x")
			}
			for i, subject := range side.may {
				c.Send(fmt.Sprintf("SUB %s %d\r\n", subject, i+1000))
			}
			for _, line := range c.Answer() {
				if strings.HasPrefix(line, "-ERR") {
					t.Errorf("refused: %s", line)
				}
			}
		})
	}
}

// Who has no name that is listed cannot connect to the internal server, whatever else it
// has, and a certificate is not enough for the external one.
func TestStrangers(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, nil)
	g.Start(t)
	other, _, err := pki.NewAuthority("event gateway CA", 0, time.Now()) // of the same name
	callouttest.Must(t, err)
	forged, err := other.Issue(&pki.Request{CN: setup.ServiceApplications, DNS: []string{setup.ServiceApplications}, Client: true, Now: time.Now()})
	callouttest.Must(t, err)
	client := func(r pki.Request) pki.Pair { r.Client = true; return issue(t, g, &r) }
	// By TLS, before NATS: the text differs, because in TLS 1.3 a client can be disconnected
	// before it reads why.
	const byTLS, violation = "an error of TLS", "Authorization Violation"
	internal, external := "tls://"+g.Internal, g.URL
	for name, c := range map[string]struct {
		url  string
		pair pki.Pair
		want string
		more []nats.Option
	}{
		"no certificate":                  {internal, pki.Pair{}, byTLS, nil},
		"a token instead":                 {internal, pki.Pair{}, byTLS, []nats.Option{nats.Token(gatewaytest.IngestToken)}},
		"another CA":                      {internal, forged, byTLS, nil},
		"a name that is not listed":       {internal, client(pki.Request{CN: "compliance-service", DNS: []string{"compliance-service"}}), violation, nil},
		"the gateway of the other side":   {internal, client(pki.Request{CN: setup.GatewayExternal, DNS: []string{setup.GatewayExternal}}), violation, nil},
		"a token with an unlisted name":   {internal, client(pki.Request{CN: "x", DNS: []string{"x"}}), violation, []nats.Option{nats.Token(gatewaytest.IngestToken)}},
		"a longer name":                   {internal, client(pki.Request{CN: "x", DNS: []string{setup.ServiceApplications + ".example.org"}}), violation, nil},
		"a certificate for servers":       {internal, issue(t, g, &pki.Request{CN: setup.ServiceApplications, DNS: []string{setup.ServiceApplications}, Server: true}), byTLS, nil},
		"a service's, without a token":    {external, load(t, g, setup.ServiceApplications), violation, nil},
		"a service's, with a wrong token": {external, load(t, g, setup.ServiceApplications), violation, []nats.Option{nats.Token("unknown-key")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := g.ExternalTLS(t, "localhost")
			if c.url == internal {
				config.ServerName = setup.GatewayInternal
			}
			if c.pair.Cert != nil {
				pair, err := tls.X509KeyPair(c.pair.Cert, c.pair.Key)
				callouttest.Must(t, err)
				config.Certificates = []tls.Certificate{pair}
			}
			nc, err := nats.Connect(c.url, append(c.more, nats.Secure(config), callouttest.ConnectTimeout())...)
			if err == nil {
				nc.Close()
				t.Fatal("it is let in")
			}
			if strings.Contains(err.Error(), violation) != (c.want == violation) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
