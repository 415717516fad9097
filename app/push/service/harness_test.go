package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/config"
	"usher/app/push/service"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// receiver is an HTTPS endpoint that notes what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	order  []int          // data of messages, at their first arrival
	count  map[string]int // arrivals by data
	header string         // the last Authorization
	status atomic.Int32   // to answer with
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{count: map[string]int{}}
	r.status.Store(200)
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			Message struct{ Data []byte }
		}
		b, _ := io.ReadAll(q.Body)
		if status := int(r.status.Load()); status != 200 || json.Unmarshal(b, &body) != nil {
			w.WriteHeader(status)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.header = q.Header.Get("Authorization")
		data := string(body.Message.Data)
		if r.count[data]++; r.count[data] == 1 {
			n, _ := strconv.Atoi(data)
			r.order = append(r.order, n)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// got returns the messages in the order in which they arrived first, and how many arrived
// again.
func (r *receiver) got() (order []int, duplicates int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.count {
		duplicates += n - 1
	}
	return append(order, r.order...), duplicates
}

func (r *receiver) eventually(t *testing.T, n int) {
	t.Helper()
	callouttest.EventuallyWithin(t, 90*time.Second, fmt.Sprintf("%d messages arrive", n), func() bool {
		order, _ := r.got()
		return len(order) >= n
	})
	order, duplicates := r.got()
	for i, got := range order {
		if got != i+1 {
			t.Fatalf("message %d arrived in place of %d: %v", got, i+1, order)
		}
	}
	t.Logf("%d messages arrived in order, %d of them again", len(order), duplicates)
}

// records is a directory with project P and push subscriptions S1 to Sn of its topic T.
func records(n int, endpoint string, verified bool) directory.Records {
	p := directory.Project{Name: "P", Account: "APP", Topics: []directory.Topic{{Name: "T"}}}
	for i := range n {
		p.Subscriptions = append(p.Subscriptions, directory.Subscription{
			Name: "S" + strconv.Itoa(i+1), Topic: "T", AckDeadline: int(ackWait.Seconds()),
			Push: &directory.Push{
				Type: "http_endpoint", Endpoint: endpoint, MaxMessages: 1, RetryType: "linear", RetryPeriod: 10, VerificationHash: "0f", Verified: verified,
				Authorization: &directory.PushAuthorization{Sealed: []byte("sealed")},
			},
		})
	}
	return directory.Records{Projects: []directory.Project{p}}
}

// running is a service with a directory that can be changed.
type running struct {
	*service.Service
	snapshot atomic.Pointer[snapshot.Snapshot]
	stop     func()
}

func (r *running) set(tb testing.TB, rec directory.Records) {
	tb.Helper()
	s, err := snapshot.New(rec)
	callouttest.Must(tb, err)
	r.snapshot.Store(s)
}

func run(tb testing.TB, name, url string, client *http.Client, rec directory.Records, replicas int, change ...func(*service.Config)) *running {
	tb.Helper()
	js := connect(tb, url)
	cfg := &config.Config{}
	cfg.Push = config.Push{Bucket: "usher_push", Replicas: replicas, Timeout: 10 * time.Second, Concurrency: 16, DeadLetterSubject: "{project}._dead.{subscription}"}
	cfg.Callout.DrainTimeout = 10 * time.Second
	r := &running{}
	r.set(tb, rec)
	var err error
	own := service.Config{
		Config: cfg, Name: name, Snapshot: r.snapshot.Load, Bucket: js, Client: client, Now: time.Now,
		JetStream: func(context.Context, string) (jetstream.JetStream, error) { return js, nil },
		Authorization: func(context.Context, *directory.Project, *directory.Subscription) (string, error) {
			return "0123abcd", nil
		},
		Log: slog.New(slog.NewTextHandler(tb.Output(), nil)),
	}
	for _, f := range change {
		f(&own)
	}
	r.Service, err = service.New(own)
	callouttest.Must(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	tb.Cleanup(r.stop)
	return r
}

func connect(tb testing.TB, url string) jetstream.JetStream {
	tb.Helper()
	nc, err := nats.Connect(url, nats.Timeout(20*time.Second), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.ReconnectBufSize(-1), nats.RetryOnFailedConnect(true))
	callouttest.Must(tb, err)
	tb.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	callouttest.Must(tb, err)
	return js
}

// ackWait is the acknowledgement deadline of subscriptions: what a worker that was killed had is
// delivered again after it.
const ackWait = 3 * time.Second

// makeStream makes what usher makes of the records.
func makeStream(t *testing.T, js jetstream.JetStream, subs, replicas int) {
	t.Helper()
	callouttest.EventuallyWithin(t, time.Minute, "the stream is made", func() bool {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "P", Subjects: []string{"P.T", "P._dead.>"}, Replicas: replicas})
		return err == nil
	})
	for i := range subs {
		callouttest.EventuallyWithin(t, time.Minute, "the consumer is made", func() bool {
			_, err := js.CreateConsumer(t.Context(), "P", jetstream.ConsumerConfig{
				Durable: "S" + strconv.Itoa(i+1), FilterSubject: "P.T", AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait,
			})
			return err == nil
		})
	}
}

// publish publishes messages until each is stored. Duplicates are recognised by their id.
func publish(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		callouttest.EventuallyWithin(t, time.Minute, "a message is stored", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			_, err := js.Publish(ctx, "P.T", []byte(strconv.Itoa(i)), jetstream.WithMsgID(strconv.Itoa(i)))
			return err == nil
		})
	}
}

// child runs a test of this binary as a process, which can be killed.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{}
}

func startChild(t *testing.T, test string, environment ...string) *child {
	t.Helper()
	c := &child{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], "-test.run=^"+test+"$", "-test.timeout=5m"), exited: make(chan struct{})}
	// The child is killed, so it removes nothing: its temporary files are the parent's to remove.
	c.cmd.Env = append(os.Environ(), append(environment, "USHER_TEST_CHILD="+test, "TMPDIR="+t.TempDir())...)
	c.cmd.Stdin = nil
	callouttest.Must(t, c.cmd.Start())
	go func() {
		defer close(c.exited)
		_ = c.cmd.Wait() // it is killed
	}()
	t.Cleanup(c.kill)
	return c
}

// kill ends the process at once, as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails if it has ended
	<-c.exited
}

// TestChildServer is a nats-server in a process of its own.
func TestChildServer(t *testing.T) {
	t.Parallel()
	if os.Getenv("USHER_TEST_CHILD") != t.Name() {
		return
	}
	text, err := os.ReadFile(os.Getenv("USHER_TEST_CONFIG"))
	callouttest.Must(t, err)
	callouttest.RunServerConfig(t, string(text))
	select {}
}

// TestChildWorker is a push worker in a process of its own.
func TestChildWorker(t *testing.T) {
	t.Parallel()
	if os.Getenv("USHER_TEST_CHILD") != t.Name() {
		return
	}
	subs, err := strconv.Atoi(os.Getenv("USHER_TEST_SUBSCRIPTIONS"))
	callouttest.Must(t, err)
	run(t, os.Getenv("USHER_TEST_NAME"), os.Getenv("USHER_TEST_URL"), insecure(), records(subs, os.Getenv("USHER_TEST_ENDPOINT"), true), 1)
	select {}
}

func startWorker(t *testing.T, name, url, endpoint string, subs int) *child {
	t.Helper()
	return startChild(t, "TestChildWorker", "USHER_TEST_NAME="+name, "USHER_TEST_URL="+url, "USHER_TEST_ENDPOINT="+endpoint, "USHER_TEST_SUBSCRIPTIONS="+strconv.Itoa(subs))
}

// startServer starts a nats-server with its store in dir.
func startServer(t *testing.T, dir, text string) *child {
	t.Helper()
	file := filepath.Join(dir, "nats.conf")
	callouttest.Must(t, os.WriteFile(file, []byte(text+fmt.Sprintf("\njetstream {store_dir: %q}\n", filepath.ToSlash(filepath.Join(dir, "js")))), 0o600))
	return startChild(t, "TestChildServer", "USHER_TEST_CONFIG="+file)
}

// insecure returns a client that trusts every receiver of these tests.
func insecure() *http.Client {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	return srv.Client() // all have the same certificate
}
