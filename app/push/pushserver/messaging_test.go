package pushserver_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const token = "5ac4cf9b1d1f0c9c6e6e5dfb0e9a6e5c0e4a1b3d7f2c8e9a0b1c2d3e4f5a6b7c"

// messaging is an Argo Messaging Service with the shapes of the facts: subscriptions with
// messages, acknowledged by their offsets.
type messaging struct {
	*httptest.Server

	mu      sync.Mutex
	subs    map[string]*queue // by full name
	down    bool              // every request has status 500
	timeout bool              // the next acknowledgement comes too late
	pulls   int
}

type queue struct {
	config   string // JSON of the pushConfig
	messages [][]byte
	offset   int
}

func newMessaging(t *testing.T) *messaging {
	t.Helper()
	m := &messaging{subs: map[string]*queue{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/users/profile", m.profile)
	mux.HandleFunc("GET /v1/projects/{project}/subscriptions/{sub}", m.show)
	mux.HandleFunc("POST /v1/projects/{project}/subscriptions/{sub}", m.act)
	m.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		switch {
		case r.Header.Get("x-api-key") != token:
			fail(w, http.StatusUnauthorized, "Unauthorized")
		case m.down:
			fail(w, http.StatusInternalServerError, "Internal error, please contact the administrator")
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(m.Close)
	return m
}

// set changes the service between requests.
func (m *messaging) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

// acknowledged is the offset of a subscription.
func (m *messaging) acknowledged(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.subs[name].offset
}

func fail(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":%q,"status":"X"}}`, code, message)
}

func (m *messaging) profile(w http.ResponseWriter, _ *http.Request) {
	projects := map[string][]string{}
	for name := range m.subs {
		parts := strings.Split(name, "/")
		projects[parts[2]] = append(projects[parts[2]], parts[4])
	}
	list := []map[string]any{}
	for name, subs := range projects {
		list = append(list, map[string]any{"project": name, "roles": []string{}, "topics": []string{}, "subscriptions": subs})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"uuid": "u", "name": "push_worker_0", "projects": list, "service_roles": []string{"push_worker"}})
}

func (m *messaging) show(w http.ResponseWriter, r *http.Request) {
	q := m.subs["/projects/"+r.PathValue("project")+"/subscriptions/"+r.PathValue("sub")]
	if q == nil {
		fail(w, http.StatusNotFound, "Subscription doesn't exist")
		return
	}
	_, _ = fmt.Fprintf(w, `{"name":%q,"topic":"/projects/p/topics/t","pushConfig":%s,"ackDeadlineSeconds":10,"createdOn":"2025-08-01T10:00:00Z"}`,
		strings.TrimPrefix(r.URL.Path, "/v1"), q.config)
}

func (m *messaging) act(w http.ResponseWriter, r *http.Request) {
	sub, action, _ := strings.Cut(r.PathValue("sub"), ":")
	name := "/projects/" + r.PathValue("project") + "/subscriptions/" + sub
	q := m.subs[name]
	if q == nil {
		fail(w, http.StatusNotFound, "Subscription doesn't exist")
		return
	}
	switch action {
	case "pull":
		m.pull(w, r, name, q)
	case "acknowledge":
		m.acknowledge(w, r, q)
	default:
		fail(w, http.StatusNotFound, "Not found")
	}
}

func (m *messaging) pull(w http.ResponseWriter, r *http.Request, name string, q *queue) {
	var in struct {
		MaxMessages, ReturnImmediately string
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.ReturnImmediately != "true" {
		fail(w, http.StatusBadRequest, "Invalid Pull Parameters")
		return
	}
	m.pulls++
	most, _ := strconv.Atoi(in.MaxMessages)
	received := []map[string]any{}
	for i := q.offset; i < len(q.messages) && len(received) < most; i++ {
		received = append(received, map[string]any{
			"ackId": fmt.Sprintf("%s:%d", strings.TrimPrefix(name, "/"), i),
			"message": map[string]any{
				"messageId": strconv.Itoa(i), "data": base64.StdEncoding.EncodeToString(q.messages[i]),
				"attributes": map[string]string{"n": strconv.Itoa(i)}, "publishTime": "2025-08-01T10:00:00.5Z",
			},
		})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"receivedMessages": received})
}

func (m *messaging) acknowledge(w http.ResponseWriter, r *http.Request, q *queue) {
	var in struct {
		AckIDs []string `json:"ackIds"`
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || len(in.AckIDs) == 0 {
		fail(w, http.StatusBadRequest, "Invalid ack id")
		return
	}
	if m.timeout {
		m.timeout = false
		fail(w, http.StatusRequestTimeout, "ack timeout")
		return
	}
	for _, id := range in.AckIDs {
		n, err := strconv.Atoi(id[strings.LastIndex(id, ":")+1:])
		if err != nil {
			fail(w, http.StatusBadRequest, "Invalid ack id")
			return
		}
		q.offset = max(q.offset, n+1)
	}
	_, _ = fmt.Fprint(w, "{}")
}
