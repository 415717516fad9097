package callout

import (
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"usher/internal/audit"
	"usher/internal/tracing"
)

// tracers are the ways in which a granted request meets the tracer.
func tracers() map[string]*tracing.Tracer {
	policy := func(share float64) tracing.Policy {
		return tracing.Policy{Slow: time.Minute, Share: share, Now: time.Now, Random: func() float64 { return 0.5 }}
	}
	tracer := sdk.NewTracerProvider().Tracer("test") // without a processor: the cost of the spans alone
	return map[string]*tracing.Tracer{"disabled": nil, "not sampled": tracing.New(tracer, policy(0)), "sampled up to the limit": tracing.New(tracer, policy(1))}
}

func tracedExchange() (*exchange, *audit.Event) {
	now := time.Now()
	x := &exchange{arrival: now}
	for n := range x.steps {
		x.steps[n] = interval{now, now}
	}
	x.decision.set(Granted, CodeGranted, "")
	e := x.event()
	return x, &e
}

// A request that is not traced costs no allocation.
func TestTraceDoesNotAllocate(t *testing.T) {
	for name, tracer := range tracers() {
		s, want := &Service{cfg: Config{Tracer: tracer, Now: time.Now}}, name == "sampled up to the limit"
		x, e := tracedExchange()
		if n := testing.AllocsPerRun(100, func() { s.trace(x, e) }); (n > 0) != want {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkTrace measures what tracing adds to a request, after its answer.
func BenchmarkTrace(b *testing.B) {
	for name, tracer := range tracers() {
		b.Run(name, func(b *testing.B) {
			s := &Service{cfg: Config{Tracer: tracer, Now: time.Now}}
			x, e := tracedExchange()
			b.ReportAllocs()
			for b.Loop() {
				s.trace(x, e)
			}
		})
	}
}
