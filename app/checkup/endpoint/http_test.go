package endpoint

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"usher/app/checkup/finding"
	"usher/app/checkup/finding/findingtest"
	"usher/callout/callouttest"
	"usher/internal/fault"
)

func TestCheckHTTP(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	usher, other := httptest.NewServer(mux), httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(usher.Close)
	t.Cleanup(other.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	callouttest.Must(t, err)
	go func() {
		for {
			c, err := mute.Accept()
			if err != nil {
				return
			}
			_ = c.Close() // without a response
		}
	}()
	t.Cleanup(func() { _ = mute.Close() })
	for name, tt := range map[string]struct {
		listen   string
		severity finding.Severity
		detail   string
		kind     fault.Kind
	}{
		"free":               {fmt.Sprintf("127.0.0.1:%d", callouttest.FreePort(t)), "ok", "port is free; no usher is running", fault.None},
		"usher":              {strings.TrimPrefix(usher.URL, "http://"), "ok", "usher responds", fault.None},
		"another web server": {strings.TrimPrefix(other.URL, "http://"), "error", "no usher responds: /healthz returns HTTP 404", fault.Config},
		"not HTTP":           {mute.Addr().String(), "error", "port is in use, and no usher responds", fault.Config},
		"another machine":    {"192.0.2.1:9778", "warning", "cannot listen here", fault.None},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f finding.List
			CheckHTTP(t.Context(), &f, tt.listen)
			findingtest.Holds(t, f, tt.kind, "http", tt.severity, tt.detail)
		})
	}
	var f finding.List
	for _, listen := range []string{"", "127.0.0.1:0"} {
		if CheckHTTP(t.Context(), &f, listen); f != nil {
			t.Errorf("%q: %+v", listen, f)
		}
	}
}
