package callout_test

import (
	"crypto/rand"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"usher/callout/callouttest"
	"usher/tokens/health"
)

// newReplicas starts one server and n services, which share only the keyring directory
// and the directory.
func newReplicas(t *testing.T, sealed bool, n int) (testEnv, []*callouttest.Service) {
	t.Helper()
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: sealed})
	dir := callouttest.KeyringDir(t, sealed, keys)
	services := make([]*callouttest.Service, n)
	for i := range services {
		services[i] = callouttest.StartService(t, callouttest.ServiceConfig{
			URLs: srv.URL(), Keyring: dir, Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
		})
	}
	return testEnv{t, srv, services[0], keys}, services
}

func TestReplicas(t *testing.T) {
	s, services := newReplicas(t, true, 2)
	for range 60 { // the probability that one replica gets all is 1 in 2^59
		s.connect(t, "publisher-key").Close()
	}
	for i, service := range services {
		service.WaitEvent(t, "granted")
		if n := len(service.Events(t)); n == 60 {
			t.Errorf("replica %d got all requests", i)
		}
	}
	token, err := health.New(t.Context(), services[0].Keyring().Signers()[0], rand.Reader, time.Now())
	callouttest.Must(t, err)
	services[0].Stop(t)
	s.service = services[1]
	if user, account := s.connInfo(t, s.connect(t, token)); user != health.UserName || account != callouttest.HealthAccount {
		t.Errorf("the other replica decided the health check as %q in %q", user, account)
	}
	callouttest.Eventually(t, "the health check is in its audit", func() bool {
		return latest(services[1].Events(t)).Text("method") == "healthcheck"
	})
}

func latest(events []callouttest.Event) callouttest.Event {
	if len(events) == 0 {
		return nil
	}
	return events[len(events)-1]
}

// Every connection of the service is an instance of the nats micro service.
func TestMicro(t *testing.T) {
	keys := callouttest.NewKeys(t)
	srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys})
	callouttest.StartService(t, callouttest.ServiceConfig{
		URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, false, keys), Connections: 3,
		Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
	})
	nc := srv.Connect(t, callouttest.ServiceUser)
	for _, request := range []string{"PING", "INFO", "STATS"} {
		instances := map[string]bool{}
		for _, data := range ask(t, nc, "$SRV."+request+".usher", 3) {
			var id micro.ServiceIdentity
			callouttest.Must(t, json.Unmarshal(data, &id))
			if id.Name != "usher" || id.Version != "0.0.0-test" {
				t.Errorf("%s: %s", request, data)
			}
			instances[id.ID] = true
		}
		if len(instances) != 3 {
			t.Errorf("%s: %d instances", request, len(instances))
		}
	}
	if _, err := nc.Request("$SRV.PING.other", nil, testTimeout); err == nil {
		t.Error("a service of another name answered")
	}
}

// ask returns n answers to a request, and fails the test if there are more.
func ask(t *testing.T, nc *nats.Conn, subject string, n int) [][]byte {
	t.Helper()
	answers, err := nc.SubscribeSync(nc.NewInbox())
	callouttest.Must(t, err)
	defer answers.Unsubscribe() //nolint:errcheck // the connection ends with the test
	callouttest.Must(t, nc.PublishRequest(subject, answers.Subject, nil))
	var all [][]byte
	for range n {
		m, err := answers.NextMsg(testTimeout)
		callouttest.Must(t, err)
		all = append(all, m.Data)
	}
	if m, err := answers.NextMsg(50 * time.Millisecond); err == nil {
		t.Errorf("more answers than expected: %s", m.Data)
	}
	return all
}
