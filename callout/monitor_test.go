package callout_test

import (
	"encoding/json"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"usher/callout/callouttest"
)

// connections requests the connections of the server over the system account.
func (s *deployment) connections(t *testing.T, which server.ConnzOptions) []*server.ConnInfo {
	t.Helper()
	var z server.Connz
	s.ask(t, "CONNZ", which, &z)
	return z.Conns
}

func (s *deployment) leafNodes(t *testing.T) []*server.LeafInfo {
	t.Helper()
	var z server.Leafz
	s.ask(t, "LEAFZ", server.LeafzOptions{}, &z)
	return z.Leafs
}

func (s *deployment) server(t *testing.T) *server.Varz {
	t.Helper()
	var z server.Varz
	s.ask(t, "VARZ", server.VarzOptions{}, &z)
	return &z
}

func (s *deployment) ask(t *testing.T, endpoint string, options, into any) {
	t.Helper()
	request, err := json.Marshal(options)
	callouttest.Must(t, err)
	m, err := s.system.Request("$SYS.REQ.SERVER.PING."+endpoint, request, testTimeout)
	callouttest.Must(t, err)
	answer := struct {
		Data  any `json:"data"`
		Error any `json:"error"`
	}{Data: into}
	callouttest.Must(t, json.Unmarshal(m.Data, &answer))
	if answer.Error != nil {
		t.Fatalf("%s: %v", endpoint, answer.Error)
	}
}
