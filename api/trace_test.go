package api_test

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"usher/api"
	"usher/internal/tracing"
)

// Requests that fail are traced, and a share of the others; only faults of the service are
// spans with an error. The test of app/server has what a span shows.
func TestTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	random := 0.5
	s := start(t, nil, func(c *api.Config) {
		c.Explain = func(string, string) any { panic("the cause") }
		c.Tracer = tracing.New(provider.Tracer("test"), tracing.Policy{
			Slow: time.Hour, Share: 0.5, Now: c.Now, Random: func() float64 { return random },
		})
	})
	s.root(200, "GET", "/v1/users/pub", "")
	if got := spans.GetSpans(); len(got) != 0 {
		t.Errorf("a request outside of the share is traced: %+v", got)
	}
	for _, c := range []struct {
		random float64
		status int
		path   string
		want   sdktrace.Status
		code   string
	}{
		{0.4, 200, "/v1/users/pub", sdktrace.Status{}, ""},
		{0.5, 404, "/v1/users/none", sdktrace.Status{}, "not_found"},
		{0.5, 500, "/v1/users/pub:permissions", sdktrace.Status{Code: codes.Error, Description: "internal_server_error"}, "internal_server_error"},
	} {
		random = c.random
		id := s.root(c.status, "GET", c.path, "").Get("X-Request-Id")
		got := spans.GetSpans()
		spans.Reset()
		if len(got) != 1 || got[0].Status != c.want {
			t.Fatalf("%s: %+v", c.path, got)
		}
		set := attribute.NewSet(got[0].Attributes...)
		request, _ := set.Value(tracing.KeyRequestID)
		code, _ := set.Value(tracing.KeyCode)
		status, _ := set.Value(tracing.KeyHTTPStatus)
		if request.AsString() != id || code.AsString() != c.code || status.AsInt64() != int64(c.status) {
			t.Errorf("%s: %v", c.path, got[0].Attributes)
		}
	}
}
