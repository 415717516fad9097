//go:build unix

package main

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/messagestest"
	"usher/app/assembly"
	"usher/app/config"
	"usher/app/push/service"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/cmd/usher/cmdutil"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/issuer"
)

// pushHeader is the Authorization header of the pushes of these tests.
const pushHeader = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// pushReceiver is an HTTPS endpoint that notes what it gets.
type pushReceiver struct {
	*httptest.Server
	mu         sync.Mutex
	order      map[string][]string // data of messages at their first arrival, by subscription
	duplicates int
	hash       string // of an endpoint; empty: it has none
}

func newPushReceiver(t *testing.T) *pushReceiver {
	t.Helper()
	r := &pushReceiver{order: map[string][]string{}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			Message      struct{ Data []byte }
			Subscription string
		}
		if q.URL.Path == "/ams_verification_hash" {
			r.verified(w)
			return
		}
		text, _ := io.ReadAll(q.Body)
		if json.Unmarshal(text, &body) != nil || q.Header.Get("Authorization") != pushHeader {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if got := r.order[body.Subscription]; slices.Contains(got, string(body.Message.Data)) {
			r.duplicates++
		} else {
			r.order[body.Subscription] = append(got, string(body.Message.Data))
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *pushReceiver) verified(w http.ResponseWriter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.hash == "" {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = io.WriteString(w, r.hash)
}

// answer sets the verification hash.
func (r *pushReceiver) answer(hash string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hash = hash
}

// arrived waits until each subscription has the messages 1 to n, in order.
func (r *pushReceiver) arrived(t *testing.T, n int, subscriptions ...string) {
	t.Helper()
	callouttest.EventuallyWithin(t, time.Minute, fmt.Sprintf("%d messages arrive", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.ContainsFunc(subscriptions, func(s string) bool { return len(r.order[s]) < n })
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range subscriptions {
		for i, got := range r.order[s] {
			if got != strconv.Itoa(i+1) {
				t.Fatalf("%s: message %s in place of %d: %v", s, got, i+1, r.order[s])
			}
		}
	}
}

// pushWorker is a running usher push.
type pushWorker struct {
	*process
	web string
}

var pushListener = regexp.MustCompile(`metrics and probes.*listen[":=]+(127\.0\.0\.1:\d+)`)

func startPush(t *testing.T, cfg string) *pushWorker {
	t.Helper()
	w := &pushWorker{process: start(t, "usher", "push", "-c", cfg, "--http-listen", "127.0.0.1:0")}
	w.waitFor(t, "usher push is running")
	w.signal(t, syscall.SIGHUP) // reloads, and does not end it
	w.waitFor(t, "reloaded on SIGHUP")
	w.web = "http://" + pushListener.FindStringSubmatch(w.stderr.String())[1]
	callouttest.Eventually(t, "the push worker is ready", func() bool {
		status, _ := installation{}.at(w.web).get("/readyz")
		return status == http.StatusOK
	})
	return w
}

func (in installation) at(web string) installation {
	in.Web = web
	return in
}

// subscriptions is how many it works on.
func (w *pushWorker) subscriptions() int {
	_, text := installation{}.at(w.web).get("/metrics")
	_, rest, _ := strings.Cut(text, "\nusher_push_subscriptions ")
	line, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.Atoi(line)
	return n
}

// terminate ends it as systemd and Kubernetes do.
func (w *pushWorker) terminate(t *testing.T) {
	t.Helper()
	w.signal(t, syscall.SIGTERM)
	if code := w.wait(t); code != cmdutil.ExitOK {
		t.Errorf("usher push ended with %d", code)
	}
	if strings.Contains(w.stderr.String(), pushHeader) {
		t.Error("the log has the authorization header")
	}
}

// TestPush runs usher push against a whole usher.
func TestPush(t *testing.T) {
	t.Parallel()
	r := newPushReceiver(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	at, err := url.Parse(r.URL)
	callouttest.Must(t, err)
	caFile := filepath.Join(t.TempDir(), "receiver-ca.pem")
	callouttest.Must(t, os.WriteFile(caFile, ca, 0o600))
	s := messagestest.Start(t, messagestest.Config{Change: func(c *config.Config) {
		c.Push.CAFile, c.Push.Ports, c.Push.AllowNetworks = caFile, []string{at.Port()}, []string{"127.0.0.0/8"}
	}})
	s.Write(t, "receiver-ca.pem", string(ca))
	site, err := os.ReadFile(s.Config())
	callouttest.Must(t, err)
	text := string(site) + fmt.Sprintf("push:\n  allow_networks: [127.0.0.0/8]\n  ports: [%q]\n  ca_file: receiver-ca.pem\n", at.Port())
	s.Write(t, setup.FileConfig, text)
	t.Run("workers share, and take over", func(t *testing.T) { pushTakeover(t, s, r) })
	t.Run("for a messaging service", func(t *testing.T) { pushForMessaging(t, s, r, text) })
	t.Run("without NATS", func(t *testing.T) { pushStatusUnknown(t, s) })
}

// pushTakeover: two processes share the subscriptions. One is killed, and the other one takes
// over: nothing is lost, and what arrives twice are messages that were on their way.
func pushTakeover(t *testing.T, s *messagestest.Site, r *pushReceiver) {
	t.Helper()
	names := []string{"a", "b", "c", "d"}
	js := pushedProject(t, s, r, names)
	publish := func(from, to int) {
		for i := from; i <= to; i++ {
			callouttest.Eventually(t, "a message is stored", func() bool {
				_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "shop.orders", Data: []byte(strconv.Itoa(i))}, jetstream.WithMsgID(strconv.Itoa(i)))
				return err == nil
			})
		}
	}
	var full []string
	for _, name := range names {
		full = append(full, "/projects/shop/subscriptions/"+name)
	}
	first := startPush(t, s.Config())
	publish(1, 10)
	r.arrived(t, 10, full...)
	second := startPush(t, s.Config())
	callouttest.Eventually(t, "both work on subscriptions", func() bool {
		return first.subscriptions() == 2 && second.subscriptions() == 2
	})
	publish(11, 40)
	callouttest.Must(t, first.cmd.Process.Kill())
	<-first.done
	publish(41, 60)
	r.arrived(t, 60, full...)
	callouttest.Eventually(t, "the other one has all", func() bool { return second.subscriptions() == len(names) })
	second.waitFor(t, "took over from a push worker that is gone")
	checkLive(t, s.Config()).finds(t, cmdutil.ExitOK, "pushes", "ok", " for 4 subscriptions")
	r.mu.Lock()
	t.Logf("%d messages arrived twice", r.duplicates)
	r.mu.Unlock()
	pushCommands(t, s, r)
	second.terminate(t)
}

// pushedProject makes project shop with push subscriptions of topic orders, and returns
// JetStream of a publisher.
func pushedProject(t *testing.T, s *messagestest.Site, r *pushReceiver, subscriptions []string) jetstream.JetStream {
	t.Helper()
	s.Project(t, "shop")
	key := s.Member(t, "shop", "pub", directory.RolePublisher)
	s.Topic(t, "shop", "orders", "pub")
	cfg, err := config.Load(s.Config())
	callouttest.Must(t, err)
	keys, err := assembly.LoadKeyring(cfg)
	callouttest.Must(t, err)
	sealer := service.NewBox(func() *issuer.Keyring { return keys }, rand.Reader, time.Now)
	for _, name := range subscriptions {
		s.Subscription(t, "shop", name, "orders")
		_, err := s.Server.Bucket().Change(t.Context(), func(snap *snapshot.Snapshot) ([]directory.Entry, error) {
			project, _ := snap.Project("shop")
			sub, _ := snap.Subscription("shop", name)
			sealed, err := sealer.Seal(t.Context(), []byte(pushHeader), project.ID.String()+"/"+name)
			changed := *sub
			changed.Push = &directory.Push{
				Type: directory.PushHTTP, Endpoint: r.URL + "/" + name, MaxMessages: 1, RetryType: "linear", RetryPeriod: 50,
				VerificationHash: pushHeader, Verified: true, Authorization: &directory.PushAuthorization{Sealed: sealed},
			}
			return directory.Put(directory.ResourceKey(directory.KindSubscription, project.ID, name), &changed), err
		})
		callouttest.Must(t, err)
	}
	js, err := jetstream.New(s.Connect(t, "pub", key))
	callouttest.Must(t, err)
	return js
}
