package devserver_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"usher/app/devserver"
	"usher/callout/callouttest"
)

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats-server.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, cfg devserver.Config) *devserver.Server {
	t.Helper()
	if cfg.LogFile == "" {
		cfg.LogFile = filepath.Join(t.TempDir(), "nats-server.log")
	}
	s, err := devserver.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// TestStart: the server accepts connections, logs to its file, and frees its port when
// it stops.
func TestStart(t *testing.T) {
	log := filepath.Join(t.TempDir(), "nats-server.log")
	address := fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t)) // stays free between the two starts
	s := start(t, devserver.Config{ConfigFile: configFile(t, "listen: "+address), LogFile: log})
	nc, err := nats.Connect(s.URL(), nats.Timeout(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "Server is ready") {
		t.Errorf("log: %v\n%s", err, text)
	}
	s.Stop()
	again := start(t, devserver.Config{ConfigFile: configFile(t, "listen: 127.0.0.1:4222"), Listen: address})
	if want := "nats://" + address; s.URL() != want || again.URL() != want {
		t.Errorf("requested %s, got %s, and then %s", want, s.URL(), again.URL())
	}
}

// TestStartFails: every obstacle is an error, and none ends the process.
func TestStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // the end of the test
	good := configFile(t, `listen: "127.0.0.1:-1"`)
	for name, cfg := range map[string]devserver.Config{
		"port in use":                {ConfigFile: good, Listen: l.Addr().String()},
		"invalid port":               {ConfigFile: good, Listen: "127.0.0.1:x"},
		"address without a port":     {ConfigFile: good, Listen: "127.0.0.1"},
		"address of another machine": {ConfigFile: good, Listen: "192.0.2.1:4222"},
		"file missing":               {ConfigFile: good + ".absent"},
		"invalid file":               {ConfigFile: configFile(t, "listen: {")},
	} {
		cfg.LogFile = filepath.Join(t.TempDir(), "nats-server.log")
		if s, err := devserver.Start(cfg); err == nil {
			s.Stop()
			t.Errorf("%s: no error", name)
		}
	}
}

// TestStopWhileClientsConnect: a server that stops while clients wait for the auth
// callout does not end the process.
func TestStopWhileClientsConnect(t *testing.T) {
	key, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`
listen: "127.0.0.1:%d"
accounts { AUTH { users: [{user: usher, password: secret}] }, SYS {} }
system_account: SYS
authorization { timeout: 0.2, auth_callout { issuer: %s, account: AUTH, auth_users: [usher] } }
`, callouttest.FreePort(t), issuer) // clients connect until nothing listens there, so no other test may use the port
	for range 3 {
		s := start(t, devserver.Config{ConfigFile: configFile(t, conf)})
		addr := strings.TrimPrefix(s.URL(), "nats://")
		var clients sync.WaitGroup
		attempts := make(chan struct{}, 1<<20)
		for range 16 {
			clients.Go(func() {
				for {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						return
					}
					_ = c.SetDeadline(time.Now().Add(time.Second)) // a late client may get no answer
					_, _ = bufio.NewReader(c).ReadString('\n')     // INFO, or the end
					_, _ = fmt.Fprint(c, "CONNECT {\"auth_token\":\"x\"}\r\nPING\r\n")
					_ = c.Close()
					attempts <- struct{}{}
				}
			})
		}
		for range 200 {
			<-attempts
		}
		s.Stop()
		clients.Wait()
	}
}
