package client_test

import (
	"net"
	"strings"
	"testing"

	"usher/api/client"
)

// A server that speaks first, as a nats-server does, gives the same error however early its
// greeting arrives.
func TestServerSpeaksFirst(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("INFO {\"server_id\":\"N\"} \r\n"))
			defer func() { _ = c.Close() }()
		}
	}()
	for range 300 {
		api, err := client.New(&client.Config{Server: "http://" + l.Addr().String(), Key: "key"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = api.Bans(t.Context())
		if err == nil || !strings.Contains(err.Error(), "malformed HTTP") {
			t.Fatal(err)
		}
	}
}
