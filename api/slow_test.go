package api_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/listener"
	"usher/api/rest"
	"usher/callout/callouttest"
)

// A response to a request whose body nobody needs does not wait for the body, and ends the
// connection. A client that has sent all of it keeps the connection.
//
// Attack: clients without a key hold all connections to the management API by sending bodies slowly
// Held by: a refusal does not wait for the body, and ends the connection
func TestSlowStrangers(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(c *api.Config) { c.Timeout = time.Hour })
	l, err := listener.Start(t.Context(), listener.Config{
		Name: "api.listen", Address: "127.0.0.1:0", MaxConnections: 100, Handler: s.http.Config.Handler, Log: discard(),
	})
	callouttest.Must(t, err)
	t.Cleanup(func() { l.Stop(time.Second) })
	const slow, whole = "Content-Length: 100000\r\n\r\n{", "Content-Length: 2\r\n\r\n{}"
	for _, tt := range []struct {
		name, request, key, rest string
		want                     int
		ends                     bool
	}{
		{"no key", "POST /v1/projects/shop/topics/orders:publish", "", slow, 401, true},
		{"no key, chunks", "POST /v1/projects/shop/topics/orders:publish", "", "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 401, true},
		{"no key, large", "POST /v1/users/x", "", "Content-Length: 100000000\r\n\r\n{", 401, true},
		{"no key, asks first", "POST /v1/users/x", "", "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n", 401, true},
		{"wrong key", "POST /v1/users/x", "wrong", slow, 401, true},
		{"no right", "POST /v1/users/x", "pub", slow, 403, true},
		{"no project", "POST /v1/projects/no/topics/orders:publish", "pub", slow, 404, true},
		{"no path", "POST /nowhere", "", slow, 404, true},
		{"no method", "DELETE /v1/version", "", slow, 405, true},
		{"open", "GET /v1/version", "", slow, 200, true},
		{"no key, whole body", "POST /v1/users/x", "", whole, 401, false},
		{"no right, whole body", "POST /v1/users/x", "pub", whole, 403, false},
		{"no path, whole body", "POST /nowhere", "", whole, 404, false},
		{"bad body", "POST /v1/users/x", "root", "Content-Length: 2\r\n\r\n{]", 400, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var d net.Dialer
			conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
			callouttest.Must(t, err)
			defer func() { _ = conn.Close() }()
			callouttest.Must(t, conn.SetDeadline(time.Now().Add(time.Minute)))
			key := ""
			if tt.key != "" {
				key = rest.HeaderKey + ": " + s.keyOf(tt.key) + "\r\n"
			}
			_, err = io.WriteString(conn, tt.request+" HTTP/1.1\r\nHost: x\r\n"+key+tt.rest)
			callouttest.Must(t, err)
			from := bufio.NewReader(conn)
			res, err := http.ReadResponse(from, nil)
			callouttest.Must(t, err)
			_, err = io.Copy(io.Discard, res.Body)
			callouttest.Must(t, err)
			callouttest.Must(t, res.Body.Close())
			if res.StatusCode != tt.want || res.Close != tt.ends {
				t.Errorf("%d, Connection: close %t; want %d, %t", res.StatusCode, res.Close, tt.want, tt.ends)
			}
			if !tt.ends {
				_, err = io.WriteString(conn, "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
				callouttest.Must(t, err)
				res, err = http.ReadResponse(from, nil)
				callouttest.Must(t, err)
				callouttest.Must(t, res.Body.Close())
				return
			}
			if n, err := from.Read(make([]byte, 1)); n > 0 || isTimeout(err) {
				t.Errorf("the connection has not ended: %v", err)
			}
		})
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error) //nolint:errorlint // of a connection itself
	return ok && e.Timeout()
}

// keyOf returns the key of a user, or the text itself.
func (s *service) keyOf(who string) string {
	if key := s.keys[who]; key != "" {
		return key
	}
	return who
}

// A body has as much time as its request once its caller is known, and little before.
func TestBodyDeadline(t *testing.T) {
	t.Parallel()
	s := start(t, nil, func(c *api.Config) { c.Timeout = time.Hour })
	const little = time.Minute
	for _, tt := range []struct {
		path, key string
		long      bool
	}{
		{"/v1/logout", "", false},
		{"/v1/users/someone", "root", true},
	} {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		var during time.Time
		body := io.MultiReader(readerFunc(func([]byte) (int, error) {
			during = w.read
			return 0, io.EOF
		}), strings.NewReader("{}"))
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, tt.path, body)
		req.Header.Set("Content-Type", rest.TypeForm)
		if tt.key != "" {
			req.Header.Set(rest.HeaderKey, s.keyOf(tt.key))
		}
		s.http.Config.Handler.ServeHTTP(w, req)
		if left := time.Until(during); during.IsZero() || (left > little) != tt.long {
			t.Errorf("%s: %d %s, the body has %s", tt.path, w.Code, w.Body, left)
		}
		if time.Until(w.read) < little {
			t.Errorf("%s: after the body, the request has until %s", tt.path, w.read)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
