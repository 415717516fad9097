package callout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"usher/callout/callouttest"
	"usher/internal/tracing"
	"usher/tokens"
)

// A request takes the steps in their order, as its trace records them. One that ends
// early takes no step between its end and the record.
func TestWayOfARequest(t *testing.T) {
	all := tracing.StepNames()
	for _, tt := range []struct {
		name, token, code string
		left              []string // steps that are not taken
	}{
		{"granted", "publisher-key", "granted", nil},
		{"denied", "wrong", "key_unknown", []string{tracing.StepDerive}},
		{"denied after verification", "stranger-key", "no_role", nil},
		{"cannot decide", "a:panic", "internal", []string{tracing.StepDerive, tracing.StepIssue, tracing.StepSeal}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broken := newBackend("a")
			close(broken.unblock)
			spans := tracetest.NewSpanRecorder()
			tracer := tracing.New(sdk.NewTracerProvider(sdk.WithSpanProcessor(spans)).Tracer("test"),
				tracing.Policy{Share: 1, Now: time.Now, Random: func() float64 { return 0 }})
			keys := callouttest.NewKeys(t)
			srv := callouttest.StartServer(t, callouttest.ServerConfig{Keys: keys, Sealed: true})
			service := callouttest.StartService(t, callouttest.ServiceConfig{
				URLs: srv.URL(), Keyring: callouttest.KeyringDir(t, true, keys), Tracer: tracer, Verifiers: []tokens.Verifier{broken},
				Directory: callouttest.WithDigests(callouttest.DirectoryYAML),
			})
			nc, err := nats.Connect(srv.URL(), nats.Token(tt.token), nats.Timeout(testTimeout))
			if err == nil {
				nc.Close()
			}
			e := service.WaitEvent(t, tt.code)
			root, steps := spansOf(t, spans, e.Text("request_id"))
			var names []string
			for i, s := range steps {
				names = append(names, s.Name())
				if i > 0 && s.StartTime().Before(steps[i-1].StartTime()) {
					t.Errorf("%s began before %s", s.Name(), steps[i-1].Name())
				}
				if s.EndTime().Before(s.StartTime()) || s.StartTime().Before(root.StartTime()) || s.EndTime().After(root.EndTime()) {
					t.Errorf("%s is not within the request", s.Name())
				}
			}
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(tt.left, name) })
			if !slices.Equal(names, want) {
				t.Errorf("took the steps %v, want %v", names, want)
			}
			for i, s := range steps[:len(steps)-1] { // admit lasts until the request is open
				if s.Name() != tracing.StepAdmit && s.EndTime().After(steps[i+1].StartTime()) {
					t.Errorf("%s ended after %s began", s.Name(), steps[i+1].Name())
				}
			}
			for _, s := range spans.Ended() {
				for _, a := range s.Attributes() {
					if strings.Contains(a.Value.String(), tt.token) {
						t.Errorf("attribute %s has the token", a.Key)
					}
				}
			}
		})
	}
}

// spansOf returns the span of a request, and its children in the order in which they
// began.
func spansOf(t *testing.T, spans *tracetest.SpanRecorder, requestID string) (root sdk.ReadOnlySpan, steps []sdk.ReadOnlySpan) {
	t.Helper()
	callouttest.Eventually(t, "the request is traced", func() bool {
		ended := spans.Ended()
		i := slices.IndexFunc(ended, func(s sdk.ReadOnlySpan) bool {
			return slices.Contains(s.Attributes(), tracing.KeyRequestID.String(requestID))
		})
		if i >= 0 {
			root = ended[i]
		}
		return i >= 0
	})
	for _, s := range spans.Ended() {
		if s.Parent().SpanID() == root.SpanContext().SpanID() {
			steps = append(steps, s)
		}
	}
	slices.SortStableFunc(steps, func(a, b sdk.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	return root, steps
}
