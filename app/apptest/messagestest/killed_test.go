package messagestest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/wire"
	"usher/app/apptest/messagestest"
	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
)

// TestChildServer is a nats-server in a process of its own.
func TestChildServer(t *testing.T) {
	file := os.Getenv("USHER_TEST_SERVER")
	if file == "" {
		return
	}
	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	callouttest.RunServerConfig(t, string(text))
	select {}
}

// startServer starts a nats-server as a process of this binary, and waits until it accepts
// connections. kill ends it at once, as kill -9 does.
func startServer(t *testing.T, file, address string) (kill func()) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^TestChildServer$", "-test.timeout=5m")
	// A process that is killed removes nothing: its temporary files are the parent's to remove.
	cmd.Env = append(os.Environ(), "USHER_TEST_SERVER="+file, "TMPDIR="+t.TempDir())
	callouttest.Must(t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // fails if it has ended
		_ = cmd.Wait()         // it was killed
	})
	t.Cleanup(kill)
	callouttest.EventuallyWithin(t, time.Minute, "nats-server accepts connections", func() bool {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return kill
}

// traffic is one publisher and one subscriber over HTTP who try again after errors, as clients
// of AMS do.
type traffic struct {
	*messagestest.Site
	key string

	mu        sync.Mutex
	published int            // messages whose storage was answered
	answers   map[string]int // by route and status
	pulled    map[string]int // deliveries by data
	acked     map[string]bool
}

// do sends a request, and reports whether it has succeeded. While a server dies, usher cannot
// tell (503), and an acknowledgement may come too late (408). Any other answer would make a
// client give up.
func (f *traffic) do(t *testing.T, path, idempotency, body string, into any) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.Server.APIURL()+"/v1/projects/shop/"+path, strings.NewReader(body))
	callouttest.Must(t, err)
	r.Header.Set("x-api-key", f.key)
	if idempotency != "" {
		r.Header.Set("Idempotency-Key", idempotency)
	}
	response, err := http.DefaultClient.Do(r)
	callouttest.Must(t, err)
	defer response.Body.Close() //nolint:errcheck // read only
	_, route, _ := strings.Cut(path, ":")
	f.mu.Lock()
	f.answers[fmt.Sprint(route, " ", response.StatusCode)]++
	f.mu.Unlock()
	switch {
	case response.StatusCode == http.StatusOK:
		callouttest.Must(t, json.NewDecoder(response.Body).Decode(into))
		return true
	case response.StatusCode == http.StatusServiceUnavailable, response.StatusCode == http.StatusRequestTimeout && route == "acknowledge":
		return false
	default:
		var e wire.Error
		_ = json.NewDecoder(response.Body).Decode(&e)
		t.Errorf("%s: %d %+v", route, response.StatusCode, e)
		return false
	}
}

// publish publishes batches from..to of ten messages, each until it is stored.
func (f *traffic) publish(t *testing.T, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		var all []string
		for i := range 10 {
			all = append(all, fmt.Sprintf(`{"data":%q}`, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d-%d", n, i))))
		}
		body := `{"messages":[` + strings.Join(all, ",") + `]}`
		callouttest.EventuallyWithin(t, time.Minute, "a batch is stored", func() bool {
			var ids wire.MessageIDs
			return f.do(t, "topics/orders:publish", fmt.Sprint("batch ", n), body, &ids) && len(ids.MessageIDs) == 10
		})
		f.mu.Lock()
		f.published += 10
		f.mu.Unlock()
	}
}

// consume pulls and acknowledges until n different messages were acknowledged.
func (f *traffic) consume(t *testing.T, n int) {
	t.Helper()
	callouttest.EventuallyWithin(t, 2*time.Minute, fmt.Sprintf("%d messages are acknowledged", n), func() bool {
		var got wire.ReceivedMessages
		if !f.do(t, "subscriptions/billing:pull", "", `{"maxMessages":"25","returnImmediately":"true"}`, &got) {
			return false
		}
		var ids []string
		for _, m := range got.ReceivedMessages {
			ids = append(ids, m.AckID)
			f.pulled[m.Message.Data]++
		}
		body, err := json.Marshal(wire.Acknowledge{AckIDs: ids})
		callouttest.Must(t, err)
		if len(ids) > 0 && f.do(t, "subscriptions/billing:acknowledge", "", string(body), &wire.Empty{}) {
			for _, m := range got.ReceivedMessages {
				f.acked[m.Message.Data] = true
			}
		}
		return len(f.acked) >= n
	})
}

// through publishes and consumes while die kills a server, and checks that every message whose
// storage was answered arrives and is acknowledged.
func (f *traffic) through(t *testing.T, die func()) {
	t.Helper()
	const batches = 60
	f.answers, f.pulled, f.acked = map[string]int{}, map[string]int{}, map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.publish(t, 0, batches)
	}()
	f.consume(t, batches) // a tenth
	die()
	f.consume(t, 10*batches)
	<-done
	duplicates := 0
	for _, n := range f.pulled {
		duplicates += n - 1
	}
	if len(f.pulled) != f.published || f.published != 10*batches {
		t.Errorf("%d of %d messages came", len(f.pulled), f.published)
	}
	t.Logf("%d messages, %d deliveries again, answers: %v", len(f.pulled), duplicates, f.answers)
	shop := &project{f.Site, "shop", f.key}
	callouttest.EventuallyWithin(t, time.Minute, "nothing is left", func() bool {
		// What was acknowledged while the server died may come again.
		var got wire.ReceivedMessages
		if f.do(t, "subscriptions/billing:pull", "", `{"maxMessages":"100"}`, &got) {
			for _, m := range got.ReceivedMessages {
				if f.pulled[m.Message.Data] == 0 {
					t.Errorf("%s came after everything", m.Message.Data)
				}
				f.do(t, "subscriptions/billing:acknowledge", "", fmt.Sprintf(`{"ackIds":[%q]}`, m.AckID), &wire.Empty{})
			}
		}
		if code, _ := f.Do(t, f.key, http.MethodGet, "/v1/projects/shop/subscriptions/billing:metrics", ""); code == http.StatusServiceUnavailable {
			return false // servers still elect a leader
		}
		m := shop.metrics(t, "subscriptions/billing")
		return m["number_of_pending_messages"] == 0.0 && m["number_of_unacknowledged_messages"] == 0.0
	})
	if stored := shop.metrics(t, "topics/orders")["number_of_messages"]; stored != float64(10*batches) {
		t.Errorf("%v messages are stored: one was stored twice", stored)
	}
}

// prepare creates what the traffic needs.
func prepare(t *testing.T, s *messagestest.Site) *traffic {
	t.Helper()
	s.Project(t, "shop")
	s.Topic(t, "shop", "orders")
	s.Subscription(t, "shop", "billing", "orders")
	f := &traffic{Site: s, key: s.Member(t, "shop", "boss", directory.RoleProjectAdmin)}
	// What a server takes with it comes again that soon.
	(&project{s, "shop", f.key}).do(t, 200, "POST", "subscriptions/billing:modifyAckDeadline", `{"ackDeadlineSeconds":3}`)
	return f
}

// nats-server is killed with -9 while clients publish and consume over HTTP: what was answered
// is there after it has started again, once, and no client gets an error other than 503 and
// 408.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := messagestest.New(t, messagestest.Config{})
	address := strings.TrimPrefix(s.URL, "nats://")
	kill := startServer(t, s.Path(setup.FileServerConfig), address)
	s.Begin(t, nil)
	prepare(t, s).through(t, func() {
		kill()
		startServer(t, s.Path(setup.FileServerConfig), address)
	})
}

// The leader of the stream in a cluster of three is killed with -9, and does not come back.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	s := messagestest.New(t, messagestest.Config{})
	text, err := os.ReadFile(s.Path(setup.FileServerConfig))
	callouttest.Must(t, err)
	var ports [6]int
	for i := range ports {
		ports[i] = callouttest.FreePort(t)
	}
	var urls, routes []string
	for i := range 3 {
		urls = append(urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", ports[3+i]))
	}
	dir, kills := t.TempDir(), map[string]func(){}
	for i := range 3 {
		name := fmt.Sprintf("n%d", i)
		file := filepath.Join(dir, name+".conf")
		own := strings.NewReplacer(
			"server_name: usher-nats", "server_name: "+name, strings.TrimPrefix(s.URL, "nats://"), fmt.Sprintf("127.0.0.1:%d", ports[i]),
			filepath.ToSlash(s.Path(setup.DirJetStream)), filepath.ToSlash(filepath.Join(dir, name)),
		).Replace(string(text)) + fmt.Sprintf("\ncluster { name: c, listen: \"127.0.0.1:%d\", routes: [%s] }\n", ports[3+i], strings.Join(routes, ","))
		callouttest.Must(t, os.WriteFile(file, []byte(own), 0o600))
		kills[name] = startServer(t, file, fmt.Sprintf("127.0.0.1:%d", ports[i]))
	}
	s.URL = urls[0]
	s.Begin(t, func(c *config.Config) {
		c.NATS.URLs, c.Directory.Replicas, c.Projects.StreamReplicas = urls, 3, 3
	})
	f := prepare(t, s)
	nc := s.Connect(t, "boss", f.key)
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	leader := ""
	callouttest.EventuallyWithin(t, time.Minute, "three servers have the stream", func() bool {
		stream, err := js.Stream(t.Context(), "shop")
		if err != nil || len(stream.CachedInfo().Cluster.Replicas) != 2 {
			return false
		}
		leader = stream.CachedInfo().Cluster.Leader
		return leader != "" && stream.CachedInfo().Cluster.Replicas[0].Current && stream.CachedInfo().Cluster.Replicas[1].Current
	})
	nc.Close()
	f.through(t, kills[leader])
}
