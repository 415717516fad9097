package client_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"usher/api/client"
	"usher/api/wire"
)

const testKey = "not-a-real-key"

// serve starts a server, and a client that has its key.
func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := client.New(&client.Config{Server: server.URL, Key: testKey, UserAgent: "usher/test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// respond returns a handler that sends the same response to every request.
func respond(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func TestNew(t *testing.T) {
	for _, test := range []struct {
		cfg  client.Config
		want error
	}{
		{client.Config{Server: "https://usher.example:9443"}, nil},
		{client.Config{Server: "https://usher.example/behind/"}, nil},
		{client.Config{Server: "usher.example:9443"}, client.ErrServer},
		{client.Config{Server: "ftp://usher.example"}, client.ErrServer},
		{client.Config{Server: "https://"}, client.ErrServer},
		{client.Config{Server: ""}, client.ErrServer},
		{client.Config{Server: "https://me:secret@usher.example"}, client.ErrServer},
		{client.Config{Server: "https://usher.example?key=secret"}, client.ErrServer},
		{client.Config{Server: "https://usher.example", Key: "two words"}, client.ErrKey},
		{client.Config{Server: "https://usher.example", Key: "k\r\nHost: x"}, client.ErrKey},
		{client.Config{Server: "https://usher.example", CA: []byte("none")}, client.ErrRoots},
		{client.Config{Server: "http://127.0.0.1:1", Key: testKey}, nil},
		{client.Config{Server: "http://[::1]:1", Key: testKey}, nil},
		{client.Config{Server: "http://localhost:1", Key: testKey}, nil},
		{client.Config{Server: "http://usher.example", Key: testKey}, client.ErrPlainHTTP},
		{client.Config{Server: "http://localhost.usher.example", Key: testKey}, client.ErrPlainHTTP},
		{client.Config{Server: "http://10.0.0.1:80", Key: testKey}, client.ErrPlainHTTP},
		{client.Config{Server: "http://10.0.0.1:80", Key: testKey, InsecureHTTP: true}, nil},
		{client.Config{Server: "http://usher.example"}, nil}, // no key to protect
	} {
		_, err := client.New(&test.cfg)
		if !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: %v", test.cfg.Server, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

// An invalid name never reaches a path, where it could address another route.
func TestInvalidNames(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("sent %s %s", r.Method, r.URL) })
	for _, name := range []string{"", "alice:refreshToken", "../projects", "a/b", "a?key=x", "a%2fb", "ä", "."} {
		_, err := c.CreateUser(context.Background(), name, &wire.UserInput{})
		if !errors.Is(err, client.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if _, _, err := c.Topic(context.Background(), name, "orders"); !errors.Is(err, client.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestResponses(t *testing.T) {
	const created = `{"uuid":"0d6e","name":"alice","projects":[],"email":"","service_roles":["ingest"],"enabled":true,"token":"shown-once","key":"default","later":1}`
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"41"`)
		_, _ = io.WriteString(w, created)
	})
	u, err := c.CreateUser(context.Background(), "alice", &wire.UserInput{})
	if err != nil || u.Token != "shown-once" || u.Key != "default" || u.Name != "alice" || !u.Enabled {
		t.Errorf("%+v %v", u, err)
	}
	if _, tag, err := c.User(context.Background(), "alice"); err != nil || tag != `"41"` {
		t.Errorf("tag %s: %v", tag, err)
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		code   int
		body   string
		want   client.Error
		denied bool
	}{
		{401, `{"error":{"code":401,"message":"Unauthorized","status":"UNAUTHORIZED"}}`, client.Error{Code: 401, Status: "UNAUTHORIZED", Message: "Unauthorized"}, true},
		{403, `{"error":{"code":403,"message":"Access to this resource is forbidden","status":"FORBIDDEN"}}`, client.Error{Code: 403, Status: "FORBIDDEN", Message: "Access to this resource is forbidden"}, true},
		{409, `{"error":{"code":409,"message":"User already exists","status":"ALREADY_EXISTS","request_id":"r1"}}`, client.Error{Code: 409, Status: "ALREADY_EXISTS", Message: "User already exists", RequestID: "r1"}, false},
		{400, `{"error":{"code":400,"message":"Invalid","status":"INVALID_ARGUMENT","errors":["a","b\u001b[2J"]}}`, client.Error{Code: 400, Status: "INVALID_ARGUMENT", Message: "Invalid; a; b [2J"}, false},
		{404, `{"error":{"code":404,"message":"User doesn't exist","status":"NOT_FOUND","errors":["there is no user bob"]}}`, client.Error{Code: 404, Status: "NOT_FOUND", Message: "there is no user bob"}, false},
		{404, `{"error":{"code":404,"message":"Topic doesn't exist","status":"NOT_FOUND","errors":["a subscription reads a topic of its own project"]}}`, client.Error{Code: 404, Status: "NOT_FOUND", Message: "Topic doesn't exist; a subscription reads a topic of its own project"}, false},
		{502, `<html>bad gateway</html>`, client.Error{Code: 502, Status: "Bad Gateway", Message: "the server gives no reason"}, false},
	} {
		_, err := serve(t, respond(test.code, test.body)).Profile(context.Background())
		var e *client.Error
		if !errors.As(err, &e) || *e != test.want || e.Denied() != test.denied {
			t.Errorf("%d: %v", test.code, err)
		}
	}
}

// A response of another service is an error, and a redirect does not receive the key.
func TestNotUsher(t *testing.T) {
	_, err := serve(t, respond(200, "<html>welcome</html>")).Profile(context.Background())
	if !errors.Is(err, client.ErrResponse) {
		t.Errorf("a web page: %v", err)
	}
	_, err = serve(t, respond(404, "404 page not found\n")).Profile(context.Background()) // such as the port of http.listen
	if !errors.Is(err, client.ErrResponse) {
		t.Errorf("no such path: %v", err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed a redirect") }))
	defer elsewhere.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := c.Profile(context.Background()); !errors.Is(err, client.ErrResponse) {
		t.Errorf("a redirect: %v", err)
	}
	c = serve(t, respond(200, `{"users":[],"nextPageToken":"same"}`))
	if _, err := c.Users(context.Background(), ""); !errors.Is(err, client.ErrResponse) {
		t.Errorf("pages in a loop: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	c, err := client.New(&client.Config{Server: "http://127.0.0.1:1", Key: testKey}) // no service uses this port
	if err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteUser(context.Background(), "alice", ""); err == nil || errors.Is(err, client.ErrOutcomeUnknown) || strings.Contains(err.Error(), testKey) {
		t.Errorf("nothing was sent: %v", err)
	}
	c = serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if err := c.DeleteUser(context.Background(), "alice", ""); !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("a change without a response: %v", err)
	}
	if _, err := c.Profile(context.Background()); err == nil || errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("a read without a response: %v", err)
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(respond(200, `{"name":"alice"}`))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, test := range map[string]struct {
		ca []byte
		ok bool
	}{"its own CA": {ca, true}, "the CAs of the system": {nil, false}} {
		c, err := client.New(&client.Config{Server: server.URL, Key: testKey, CA: test.ca})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Profile(context.Background()); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
}

func TestPages(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("pageToken") {
		case "":
			_, _ = io.WriteString(w, `{"topics":[{"name":"/projects/shop/topics/c"},{"name":"/projects/shop/topics/b"}],"nextPageToken":"Mg==","totalSize":3}`)
		case "Mg==":
			_, _ = io.WriteString(w, `{"topics":[{"name":"/projects/shop/topics/a"}],"nextPageToken":"","totalSize":3}`)
		default:
			t.Errorf("unexpected request: %s", r.URL)
		}
	})
	list, err := c.Topics(context.Background(), "shop")
	if err != nil || len(list.Topics) != 3 || list.TotalSize != 3 || list.Topics[2].Name != "/projects/shop/topics/a" {
		t.Errorf("%+v %v", list, err)
	}
}

// Concurrent changes of one list are all applied.
func TestChangeACL(t *testing.T) {
	var mu sync.Mutex
	users, revision := `["root"]`, 1
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		tag := fmt.Sprintf(`"%d"`, revision)
		if r.Method == http.MethodGet {
			w.Header().Set("ETag", tag)
			_, _ = fmt.Fprintf(w, `{"authorized_users":%s}`, users)
			return
		}
		if r.Header.Get("If-Match") != tag {
			respond(409, `{"error":{"code":409,"message":"Topic ACL has changed","status":"CONFLICT"}}`)(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		users = strings.TrimSuffix(strings.TrimPrefix(string(body), `{"authorized_users":`), "}")
		revision++
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := c.ChangeACL(context.Background(), client.TopicOf("shop", "orders"), func(users []string) []string {
				return append(users, fmt.Sprintf("u%d", i))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, _, err := c.ACL(context.Background(), client.TopicOf("shop", "orders"))
	if err != nil || revision != 9 || len(list.AuthorizedUsers) != 9 || list.AuthorizedUsers[0] != "root" {
		t.Errorf("%v at revision %d: %v", list, revision, err)
	}
	same := func(users []string) []string { return slices.Clone(users) }
	if _, err := c.ChangeACL(context.Background(), client.TopicOf("shop", "orders"), same); err != nil || revision != 9 {
		t.Errorf("a change without effect made revision %d: %v", revision, err)
	}
}
