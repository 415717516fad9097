package tracing_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"usher/internal/secret"
	"usher/internal/tracing"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// policy is a policy whose clock stands and whose random numbers are always n.
func policy(n float64) tracing.Policy {
	return tracing.Policy{
		Slow: 250 * time.Millisecond, Share: 0.5,
		Now: func() time.Time { return start }, Random: func() float64 { return n },
	}
}

// tracer returns a Tracer, and what it has exported.
func tracer(t *testing.T, p tracing.Policy) (*tracing.Tracer, func() tracetest.SpanStubs) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans), sdktrace.WithSampler(sdktrace.AlwaysSample()))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return tracing.New(provider.Tracer("test"), p), spans.GetSpans
}

func TestPolicy(t *testing.T) {
	const quick, slow = time.Millisecond, 250 * time.Millisecond
	for _, c := range []struct {
		granted bool
		total   time.Duration
		random  float64
		slow    time.Duration
		want    bool
	}{
		{granted: true, total: quick, random: 0.49, slow: slow, want: true},
		{granted: true, total: quick, random: 0.5, slow: slow},
		{granted: true, total: slow, random: 0.99, slow: slow, want: true},
		{granted: true, total: slow - 1, random: 0.99, slow: slow},
		{granted: true, total: time.Hour, random: 0.99},
		{granted: false, total: quick, random: 0.99, slow: slow, want: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			p := policy(c.random)
			p.Slow = c.slow
			tr, _ := tracer(t, p)
			if got := tr.Sampled(c.granted, c.total); got != c.want {
				t.Errorf("sampled is %v", got)
			}
		})
	}
}

// A policy can change while requests end.
func TestChoose(t *testing.T) {
	tr, _ := tracer(t, policy(0.4))
	if !tr.Sampled(true, time.Millisecond) || !tr.Sampled(true, time.Second) {
		t.Error("the first policy does not hold")
	}
	tr.Choose(time.Minute, 0.3)
	if tr.Sampled(true, time.Second) || !tr.Sampled(true, time.Minute) {
		t.Error("the second policy does not hold")
	}
	var none *tracing.Tracer
	none.Choose(0, 1)
}

func TestShare(t *testing.T) {
	p := policy(0)
	for _, p.Share = range []float64{0, 1} {
		tr, _ := tracer(t, p)
		if got := tr.Sampled(true, 0); got != (p.Share == 1) {
			t.Errorf("with share %v sampled is %v", p.Share, got)
		}
	}
}

// A storm has no more traces than the limit, and leaves the granted requests theirs.
func TestLimit(t *testing.T) {
	p, now := policy(0), start
	p.Now = func() time.Time { return now }
	tr, _ := tracer(t, p)
	count := func(granted bool) int {
		n := 0
		for range 1000 {
			if tr.Sampled(granted, 0) {
				n++
			}
		}
		return n
	}
	if n := count(false); n != 100 || tr.Dropped() != 900 {
		t.Errorf("traced %d of 1000 denied requests, dropped %d", n, tr.Dropped())
	}
	if n := count(true); n != 100 || tr.Dropped() != 1800 {
		t.Errorf("traced %d of 1000 granted requests, dropped %d", n, tr.Dropped())
	}
	now = now.Add(time.Second / 2)
	if n := count(false); n != 50 {
		t.Errorf("half a second later traced %d of 1000", n)
	}
}

func TestRecord(t *testing.T) {
	tr, spans := tracer(t, policy(0))
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	tr.Record(t.Context(), &tracing.Request{
		Name: tracing.SpanAuthorize, Start: at(0), End: at(9), Failed: true, Status: "key_unknown",
		Attributes: []attribute.KeyValue{tracing.KeyRequestID.String("r1"), tracing.KeyUser.String(""), tracing.KeyClientID.Int64(7)},
		Steps:      []tracing.Step{{tracing.StepOpen, at(1), at(3)}, {tracing.StepVerify, at(3), at(8)}},
	})
	got := spans()
	if len(got) != 3 {
		t.Fatalf("%d spans", len(got))
	}
	open, verify, whole := got[0], got[1], got[2]
	if whole.Name != "authorize" || whole.Parent.IsValid() || whole.StartTime != at(0) || whole.EndTime != at(9) || whole.SpanKind != trace.SpanKindServer {
		t.Errorf("the request is %+v", whole)
	}
	if whole.Status.Code != codes.Error || whole.Status.Description != "key_unknown" {
		t.Errorf("the status is %+v", whole.Status)
	}
	want := []attribute.KeyValue{attribute.String("usher.request_id", "r1"), attribute.Int64("nats.client.id", 7)}
	if !slices.Equal(whole.Attributes, want) {
		t.Errorf("the attributes are %v", whole.Attributes)
	}
	for i, s := range []tracetest.SpanStub{open, verify} {
		if s.Parent.SpanID() != whole.SpanContext.SpanID() || s.SpanContext.TraceID() != whole.SpanContext.TraceID() || s.Status.Code != codes.Unset {
			t.Errorf("step %d is %+v", i, s)
		}
	}
	if open.Name != "open" || open.StartTime != at(1) || open.EndTime != at(3) || verify.Name != "verify" || verify.EndTime != at(8) {
		t.Errorf("steps are %+v, %+v", open, verify)
	}
}

func TestParent(t *testing.T) {
	tr, spans := tracer(t, policy(0))
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, Remote: true})
	tr.Record(trace.ContextWithSpanContext(t.Context(), parent), &tracing.Request{Name: "GET /v1/users", Start: start, End: start})
	got := spans()
	if len(got) != 1 || !got[0].Parent.Equal(parent) || got[0].SpanContext.TraceID() != parent.TraceID() {
		t.Errorf("got %+v", got)
	}
}

// What looks like a secret is exported in no field.
func TestSecrets(t *testing.T) {
	const key = "usher_" + "3q2wEr5tYu8iOp0aSdFgHjKlZxCvBnM12q3w4e5r6t7"
	tr, spans := tracer(t, policy(0))
	tr.Record(t.Context(), &tracing.Request{
		Name: tracing.SpanAuthorize, Start: start, End: start, Failed: true, Status: "bad " + key,
		Attributes: []attribute.KeyValue{tracing.KeyUser.String(key), tracing.KeyServerName.String("at " + key)},
	})
	if got := fmt.Sprintf("%+v", spans()); strings.Contains(got, key) || !strings.Contains(got, secret.Hidden) {
		t.Errorf("exported %s", got)
	}
}

// A header that names no span is no parent.
func TestWithParent(t *testing.T) {
	for header, valid := range map[string]bool{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": true,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00": true,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"": false, "usher": false,
	} {
		if got := trace.SpanContextFromContext(tracing.WithParent(t.Context(), header)); got.IsValid() != valid {
			t.Errorf("%q: %+v", header, got)
		}
	}
}

func TestNilTracer(t *testing.T) {
	var tr *tracing.Tracer
	tr.Record(t.Context(), &tracing.Request{})
	if tr.Sampled(false, time.Hour) || tr.Dropped() != 0 {
		t.Error("a nil Tracer samples")
	}
}

// A request that is not traced allocates nothing, whether tracing is off or on.
func TestNoAllocation(t *testing.T) {
	on, _ := tracer(t, policy(0.99))
	for name, tr := range map[string]*tracing.Tracer{"off": nil, "on": on} {
		for _, granted := range []bool{true, false} {
			if n := testing.AllocsPerRun(1000, func() { tr.Sampled(granted, time.Millisecond) }); n != 0 {
				t.Errorf("%s, granted %v: %v allocations", name, granted, n)
			}
		}
	}
}

func BenchmarkSampled(b *testing.B) {
	provider := sdktrace.NewTracerProvider()
	b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	on := tracing.New(provider.Tracer("benchmark"), policy(0.99))
	for _, c := range []struct {
		name    string
		tracer  *tracing.Tracer
		granted bool
	}{{"off", nil, true}, {"granted", on, true}, {"denied", on, false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.tracer.Sampled(c.granted, time.Millisecond)
			}
		})
	}
}

func BenchmarkRecord(b *testing.B) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	t := tracing.New(provider.Tracer("benchmark"), policy(0))
	r := &tracing.Request{Name: tracing.SpanAuthorize, Start: start, End: start.Add(time.Second)}
	for _, name := range tracing.StepNames() {
		r.Steps = append(r.Steps, tracing.Step{Name: name, Start: start, End: start})
	}
	for _, key := range tracing.Keys() {
		r.Attributes = append(r.Attributes, key.String("a value"))
	}
	b.ReportAllocs()
	for b.Loop() {
		t.Record(b.Context(), r)
	}
}
