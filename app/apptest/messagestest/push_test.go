package messagestest_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/wire"
	"usher/app/apptest"
	"usher/app/apptest/messagestest"
	"usher/app/config"
	"usher/app/setup"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/internal/secretfile"
)

// receiver is an HTTPS endpoint that notes what it gets, and knows one verification hash.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	hash string
	got  map[string]string // data of messages by path: the Authorization header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: map[string]string{}}
	r.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if q.URL.Path == "/ams_verification_hash" {
			_, _ = io.WriteString(w, r.hash)
			return
		}
		var body struct {
			Message struct {
				Data []byte `json:"data"`
			} `json:"message"`
		}
		if json.NewDecoder(q.Body).Decode(&body) == nil {
			r.got[q.URL.Path+" "+string(body.Message.Data)] = q.Header.Get("Authorization")
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// allow configures that usher pushes to the receiver.
func (r *receiver) allow(t *testing.T, caFile string) func(*config.Config) {
	t.Helper()
	callouttest.Must(t, secretfile.Write(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})))
	u, err := url.Parse(r.URL)
	callouttest.Must(t, err)
	return func(c *config.Config) {
		c.Push.Inside, c.Push.CAFile, c.Push.Ports, c.Push.AllowNetworks = true, caFile, []string{u.Port()}, []string{"127.0.0.1/32"}
	}
}

// header returns the Authorization header with which a message came.
func (r *receiver) header(message string) (header string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	header, ok = r.got[message]
	return header, ok
}

// Messages of both kinds of publishers reach a verified endpoint, with the header that the
// administrator of the project sees; an endpoint that is not verified gets nothing.
func TestPush(t *testing.T) {
	t.Parallel()
	for name, operator := range map[string]bool{"config mode": false, "operator mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			caFile := t.TempDir() + "/receiver.pem"
			s := messagestest.Start(t, messagestest.Config{Operator: operator, Change: r.allow(t, caFile)})
			s.Project(t, "shop")
			boss := s.Member(t, "shop", "boss", directory.RoleProjectAdmin)
			pub := s.Member(t, "shop", "pub", directory.RolePublisher)
			con := s.Member(t, "shop", "con", directory.RoleConsumer)
			s.Topic(t, "shop", "orders", "pub")
			do := func(key, method, path, body string) string {
				t.Helper()
				status, answer := s.Do(t, key, method, "/v1/projects/shop/"+path, body)
				if status != 200 {
					t.Fatalf("%s %s: %d %s", method, path, status, answer)
				}
				return answer
			}
			subscription := func(key, name string) (sub wire.Subscription) {
				t.Helper()
				callouttest.Must(t, json.Unmarshal([]byte(do(key, "GET", "subscriptions/"+name, "")), &sub))
				return sub
			}
			for _, name := range []string{"good", "other"} {
				do(boss, "PUT", "subscriptions/"+name, fmt.Sprintf(`{"topic":"projects/shop/topics/orders","pushConfig":{"pushEndpoint":%q}}`, r.URL+"/"+name))
			}
			do(boss, "POST", "subscriptions/good:modifyAcl", `{"authorized_users":["con"]}`)
			publish := func(data string) {
				do(pub, "POST", "topics/orders:publish", fmt.Sprintf(`{"messages":[{"data":%q}]}`, base64.StdEncoding.EncodeToString([]byte(data))))
			}
			publish("before")
			good := subscription(boss, "good")
			r.mu.Lock()
			r.hash = good.PushConfig.VerificationHash
			r.mu.Unlock()
			do(boss, "POST", "subscriptions/good:verifyPushEndpoint", "")
			publish("by HTTP")
			js, err := jetstream.New(s.Connect(t, "pub", pub))
			callouttest.Must(t, err)
			_, err = js.Publish(t.Context(), "shop.orders", []byte("by NATS"))
			callouttest.Must(t, err)
			want := good.PushConfig.AuthorizationHeader.Value
			for _, data := range []string{"before", "by HTTP", "by NATS"} {
				callouttest.EventuallyWithin(t, time.Minute, data+" was pushed", func() bool {
					_, ok := r.header("/good " + data)
					return ok
				})
				if header, _ := r.header("/good " + data); len(want) != 64 || header != want {
					t.Errorf("%s came with the header %q, expected %q", data, header, want)
				}
				if _, ok := r.header("/other " + data); ok {
					t.Errorf("%s came to an endpoint that is not verified", data)
				}
			}
			callouttest.EventuallyWithin(t, time.Minute, "the API shows that the subscription is pushed", func() bool {
				return subscription(con, "good").PushStatus == "Subscription /projects/shop/subscriptions/good is currently active"
			})
			seen := subscription(con, "good")
			if seen.PushConfig.AuthorizationHeader.Value != "" {
				t.Error("a consumer sees the header")
			}
			if status := subscription(boss, "other").PushStatus; !strings.HasSuffix(status, "is not active: its endpoint is not verified") {
				t.Errorf("a subscription without a verified endpoint is %q", status)
			}
		})
	}
}

// An usher that is to push, and may not write into push.bucket, says so in its log and at
// /readyz. It serves all the same.
func TestPushBucketDenied(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := &messagestest.Site{Log: &callouttest.Buffer{}}
	s.Site = apptest.NewSite(t, func(o *setup.Options) { o.KV = true })
	s.Edit(t, setup.FileServerConfig, "user: "+setup.ServiceUser+", password", "user: "+setup.ServiceUser+`, permissions: {publish: {deny: "$KV.usher_push.>"}}, password`)
	s.NATS = s.NatsServer(t)
	s.Server = s.Usher(t, r.allow(t, t.TempDir()+"/receiver.pem"))
	callouttest.EventuallyWithin(t, time.Minute, "the log says what is missing", func() bool {
		return strings.Contains(s.Log.String(), "the service user must be allowed to publish to $JS.API.> and $KV.usher_push.>")
	})
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Web+"/readyz", http.NoBody)
	callouttest.Must(t, err)
	response, err := http.DefaultClient.Do(q)
	callouttest.Must(t, err)
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	callouttest.Must(t, err)
	if response.StatusCode != http.StatusOK || !strings.Contains(string(text), "push: the leases of this push worker in push.bucket cannot be renewed") {
		t.Errorf("/readyz: %d %s", response.StatusCode, text)
	}
}
