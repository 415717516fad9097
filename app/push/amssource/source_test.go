package amssource_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"usher/app/push"
	"usher/app/push/amssource"
	"usher/callout/callouttest"
)

const token = "5ac4cf9b1d1f0c9c6e6e5dfb0e9a6e5c0e4a1b3d7f2c8e9a0b1c2d3e4f5a6b7c"

var sub = amssource.Name{Project: "p", Subscription: "s"}

// ams is an Argo Messaging Service with one subscription, acknowledged by offsets.
type ams struct {
	*httptest.Server

	mu     sync.Mutex
	stored int
	acked  int
	serial int   // of the last pull: each one has other ack ids
	fail   []int // status of the next acknowledgements
	gone   bool
}

func newAMS(t *testing.T, stored int) *ams {
	t.Helper()
	a := &ams{stored: stored}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *ams) client() *amssource.Client {
	return amssource.New(amssource.Config{
		URL: a.URL + "/", Token: func() (string, error) { return token, nil }, Log: slog.New(slog.DiscardHandler),
		TLS: a.Client().Transport.(*http.Transport).TLSClientConfig,
	})
}

func (a *ams) offset() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked
}

func answer(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"status":"X"}}`, code, message)
}

// ServeHTTP implements http.Handler.
func (a *ams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var in struct {
		MaxMessages, ReturnImmediately string
		AckIDs                         []string
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	switch {
	case r.Header.Get("x-api-key") != token:
		answer(w, http.StatusUnauthorized, "Unauthorized")
	case a.gone:
		answer(w, http.StatusNotFound, "Subscription doesn't exist")
	case r.URL.Path == "/v1/projects/p/subscriptions/s:pull" && in.ReturnImmediately == "true":
		a.serial++
		limit, _ := strconv.Atoi(in.MaxMessages)
		list := []string{}
		for i := a.acked; i < min(a.stored, a.acked+limit); i++ {
			list = append(list, fmt.Sprintf(`{"ackId":"projects/p/subscriptions/s:%d.%d","message":{"messageId":"%d","attributes":{"k":"v"},"data":%q,"publishTime":"2025-08-01T10:00:00.5Z"}}`,
				a.serial, i, i, base64.StdEncoding.EncodeToString([]byte{byte(i)})))
		}
		_, _ = fmt.Fprintf(w, `{"receivedMessages":[%s]}`, strings.Join(list, ","))
	case r.URL.Path == "/v1/projects/p/subscriptions/s:acknowledge":
		if len(a.fail) > 0 {
			code := a.fail[0]
			a.fail = a.fail[1:]
			answer(w, code, "ack timeout")
			return
		}
		for _, id := range in.AckIDs {
			var serial, i int
			if _, err := fmt.Sscanf(id, "projects/p/subscriptions/s:%d.%d", &serial, &i); err != nil || serial > a.serial {
				answer(w, http.StatusBadRequest, "Invalid ack id")
				return
			}
			a.acked = max(a.acked, i+1)
		}
		_, _ = fmt.Fprint(w, "{}")
	default:
		answer(w, http.StatusNotFound, "Not Found")
	}
}

func next(t *testing.T, s push.Source, limit int, want ...string) []push.Message {
	t.Helper()
	got, err := s.Next(t.Context(), limit)
	callouttest.Must(t, err)
	ids := []string{}
	for i := range got {
		ids = append(ids, got[i].ID)
	}
	if strings.Join(ids, " ") != strings.Join(want, " ") {
		t.Fatalf("messages %v, expected %v", ids, want)
	}
	return got
}

// Messages come in order, each once, and are acknowledged in order.
func TestSource(t *testing.T) {
	a := newAMS(t, 5)
	s := a.client().Source(sub, nil)
	defer s.Close()
	batch := next(t, s, 3, "0", "1", "2")
	if m := batch[1]; string(m.Data) != "\x01" || m.Attributes["k"] != "v" || m.Published.Nanosecond() != 5e8 || m.Deliveries != 1 {
		t.Errorf("message %+v", m)
	}
	if err := s.Acknowledge(t.Context(), batch[1:2]); !errors.Is(err, amssource.ErrOrder) {
		t.Errorf("the second before the first: %v", err)
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), batch[:1]))
	callouttest.Must(t, s.Acknowledge(t.Context(), batch[1:]))
	batch = next(t, s, 3, "3", "4")
	callouttest.Must(t, s.Return(t.Context(), batch))
	batch = next(t, s, 1, "3")
	callouttest.Must(t, s.Acknowledge(t.Context(), batch))
	callouttest.Must(t, s.Acknowledge(t.Context(), next(t, s, 1, "4")))
	if a.offset() != 5 {
		t.Errorf("%d acknowledged", a.offset())
	}
}

// An endpoint that takes longer than the ack deadline gets a message once: the message is
// acknowledged by the id of a second pull.
func TestLateAcknowledgement(t *testing.T) {
	a := newAMS(t, 2)
	s := a.client().Source(sub, nil)
	batch := next(t, s, 2, "0", "1")
	a.mu.Lock()
	a.fail = []int{http.StatusRequestTimeout}
	a.mu.Unlock()
	callouttest.Must(t, s.Acknowledge(t.Context(), batch))
	if a.offset() != 2 {
		t.Errorf("%d acknowledged", a.offset())
	}
}

// What an endpoint has taken and nobody acknowledges any more is acknowledged before the next
// messages, and is not delivered again.
func TestAcknowledgedLater(t *testing.T) {
	a := newAMS(t, 2)
	s := a.client().Source(sub, nil)
	batch := next(t, s, 1, "0")
	a.mu.Lock()
	a.fail = []int{http.StatusConflict}
	a.mu.Unlock()
	if s.Acknowledge(t.Context(), batch) == nil {
		t.Fatal("acknowledged in spite of status 409")
	}
	next(t, s, 1, "1")
	if a.offset() != 1 {
		t.Errorf("%d acknowledged", a.offset())
	}
	callouttest.Must(t, s.Acknowledge(t.Context(), batch)) // once more
}

// Whoever does not have the subscription any more says so, and a proxy's 404 does not.
func TestGone(t *testing.T) {
	a := newAMS(t, 1)
	a.gone = true
	gone := false
	s := a.client().Source(sub, func() { gone = true })
	if _, err := s.Next(t.Context(), 1); !errors.Is(err, amssource.ErrGone) || !gone {
		t.Errorf("%v, gone %v", err, gone)
	}
	proxy := httptest.NewTLSServer(http.NotFoundHandler())
	defer proxy.Close()
	c := amssource.New(amssource.Config{
		URL: proxy.URL, Token: func() (string, error) { return token, nil }, TLS: proxy.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	_, err := c.Source(sub, func() { t.Error("gone because of a proxy") }).Next(t.Context(), 1)
	if err == nil || errors.Is(err, amssource.ErrGone) || strings.Contains(err.Error(), token) {
		t.Errorf("of a proxy: %v", err)
	}
}

// The token goes nowhere else.
//
// Attack: a messaging service redirects to another host, which gets the token
// Held by: redirects are not followed
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request elsewhere") }))
	defer elsewhere.Close()
	srv := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c := amssource.New(amssource.Config{
		URL: srv.URL, Token: func() (string, error) { return token, nil }, TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	if _, err := c.List(t.Context()); err == nil {
		t.Error("a redirect is a list")
	}
}

// Nothing but a full name of AMS is one, and it is what a path is made of.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{"/projects/p/subscriptions/s", "projects/p/subscriptions/s", "/projects/../subscriptions/s", "/projects/p/subscriptions/s:pull", "/projects/p/subscriptions/s?key=x", "/projects/p/subscriptions/s\n", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := amssource.ParseName(text)
		if err != nil {
			if n != (amssource.Name{}) {
				t.Errorf("%q: %v and an error", text, n)
			}
			return
		}
		if n.String() != text || strings.ContainsAny(n.Project+n.Subscription, "/.:?#%\\ \r\n") {
			t.Errorf("%q is the name %+v", text, n)
		}
	})
}
