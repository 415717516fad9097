package eventgateway_test

import (
	"strings"
	"testing"
	"time"

	"usher/app/apptest/gatewaytest"
	"usher/app/apptest/habitattest"
	"usher/app/setup"
)

const (
	patience = 30 * time.Second // what a message may take on a busy machine
	channel  = "habitat"
)

// site is an event gateway with NATS Streaming behind it.
type site struct {
	*gatewaytest.Gateway
	streaming habitattest.Streaming
	store     string // folder of the streaming server
}

func newSite(t *testing.T, change func(*setup.EventGateway)) *site {
	t.Helper()
	s := &site{gatewaytest.New(t, change), habitattest.BuildStreaming(t), t.TempDir()}
	s.Write(t, "token", gatewaytest.IngestToken+"\n")
	return s
}

// startStreaming starts the streaming server as a client of the internal server. Its
// heartbeats do not reach clients of another account, so there are none.
func (s *site) startStreaming(t *testing.T, more ...string) *habitattest.StreamingProcess {
	t.Helper()
	more = append([]string{"--heartbeat", "8760h", "--store", s.store}, more...)
	return s.streaming.Server(t, append(s.serviceArgs(setup.GatewayInternal), more...)...)
}

// serviceArgs are the arguments of a streaming program that is a service.
func (s *site) serviceArgs(name string) []string {
	return []string{
		"--nats-url", "nats://" + s.Internal, "--tls-ca", s.Path(setup.FileCA), "--tls-name", setup.GatewayInternal,
		"--tls-cert", s.Path(setup.CertFile(name)), "--tls-key", s.Path(setup.KeyFile(name)),
	}
}

// supervisorArgs are those of one that is a supervisor.
func (s *site) supervisorArgs() []string {
	return []string{"--nats-url", s.URL, "--tls-ca", s.Path(setup.FileCA), "--tls-name", "localhost", "--token-file", s.Path("token")}
}

// read starts a service that reads the channel, as Automate's applications-service does.
func (s *site) read(t *testing.T) *habitattest.StreamingProcess {
	t.Helper()
	return s.streaming.Start(t, append([]string{
		"client", "--op", "read", "--durable", channel, "--channel", channel, "--client-id", setup.ServiceApplications,
	}, s.serviceArgs(setup.ServiceApplications)...)...)
}

// publish starts an older supervisor that publishes its id with a number, until it is
// stopped.
func (s *site) publish(t *testing.T, id, interval string) *habitattest.StreamingProcess {
	t.Helper()
	return s.streaming.Start(t, append([]string{
		"client", "--op", "publish-many", "--channel", channel, "--client-id", id, "--prefix", id + ":",
		"--count", "1000000", "--interval", interval,
	}, s.supervisorArgs()...)...)
}

func (s *site) externalAddr() string { return strings.TrimPrefix(s.URL, "nats://") }
