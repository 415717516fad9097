// Package tracing makes OpenTelemetry spans of requests that have ended. It imports the API
// of OpenTelemetry only; app/collector knows where spans go.
//
// A request records its times anyway. After its end Tracer.Sampled decides by its outcome
// whether it is traced, and only then does the caller collect what Tracer.Record needs. So a
// request that is not traced costs no allocation, and a nil Tracer costs nothing.
//
// It promises that a storm costs no more spans than maxPerSecond allows, and that no
// attribute shows what package secret recognises. The caller leaves other secrets out.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"usher/internal/secret"
)

// Tracer makes spans of requests that have ended. A nil Tracer makes none. It is safe for
// concurrent use.
type Tracer struct {
	tracer  trace.Tracer
	sampler sampler
}

// New returns a Tracer whose spans t makes. t must keep every span: the policy has decided.
func New(t trace.Tracer, p Policy) *Tracer { //nolint:gocritic // the tracer keeps the copy
	tracer := &Tracer{tracer: t}
	tracer.sampler.init(&p)
	return tracer
}

// Choose replaces Slow and Share of the policy.
func (t *Tracer) Choose(slow time.Duration, share float64) {
	if t != nil {
		t.sampler.choose(slow, share)
	}
}

// Sampled reports whether to trace a request that has ended. It does not allocate.
func (t *Tracer) Sampled(granted bool, total time.Duration) bool {
	return t != nil && t.sampler.sampled(granted, total)
}

// Dropped returns how many requests the policy chose and the limit on traces left out.
func (t *Tracer) Dropped() uint64 {
	if t == nil {
		return 0
	}
	return t.sampler.dropped.Load()
}

// WithParent returns ctx with the span that a traceparent header (W3C Trace Context) names.
// Whether that span is sampled decides nothing here.
func WithParent(ctx context.Context, traceparent string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// Step is a part of a request.
type Step struct {
	Name       string
	Start, End time.Time
}

// Request is a request that has ended.
type Request struct {
	Name       string
	Start, End time.Time
	Failed     bool   // the span has status error
	Status     string // why it failed, if it did: a code, not a text from outside
	Attributes []attribute.KeyValue
	Steps      []Step
}

// Record makes a span of the request and a child of each step. The parent is the span of
// ctx, if there is one.
func (t *Tracer) Record(ctx context.Context, r *Request) {
	if t == nil {
		return
	}
	// Exported times are those of the wall clock, which can be set back during a request.
	// Differences between times of one process are not affected.
	at := func(when time.Time) trace.SpanEventOption { return trace.WithTimestamp(r.Start.Add(when.Sub(r.Start))) }
	ctx, span := t.tracer.Start(ctx, r.Name, at(r.Start), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(redacted(r.Attributes)...))
	for _, s := range r.Steps {
		_, child := t.tracer.Start(ctx, s.Name, at(s.Start))
		child.End(at(s.End))
	}
	if r.Failed {
		span.SetStatus(codes.Error, secret.RedactDetected(r.Status))
	}
	span.End(at(r.End))
}

// redacted returns the attributes without what looks like a secret, and without empty ones.
func redacted(attrs []attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		if a.Value.Type() == attribute.STRING {
			text := a.Value.AsString()
			if text == "" {
				continue
			}
			a.Value = attribute.StringValue(secret.RedactDetected(text))
		}
		out = append(out, a)
	}
	return out
}
