package callout

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	"usher/internal/audit"
	"usher/internal/tracing"
)

// trace makes the spans of a request that has ended, if it is sampled. They have what
// the audit has of it, so no secret.
func (s *Service) trace(x *exchange, e *audit.Event) {
	granted := x.decision.Outcome == Granted
	if !s.cfg.Tracer.Sampled(granted, e.Total) {
		return
	}
	end := s.cfg.Now()
	x.steps[stepRecord].end = end
	r := &tracing.Request{
		Name: tracing.SpanAuthorize, Start: x.arrival, End: end,
		Failed: !granted, Status: e.Code, Attributes: attributes(e), Steps: x.spans(),
	}
	s.cfg.Tracer.Record(context.Background(), r)
}

// spans returns the steps that the request has reached, in their order.
func (x *exchange) spans() []tracing.Step {
	var spans []tracing.Step
	for n, name := range tracing.StepNames() {
		if at := x.steps[n]; !at.start.IsZero() {
			spans = append(spans, tracing.Step{Name: name, Start: at.start, End: at.end})
		}
	}
	return spans
}

func attributes(e *audit.Event) []attribute.KeyValue {
	return []attribute.KeyValue{
		tracing.KeyRequestID.String(e.RequestID),
		tracing.KeyOutcome.String(e.Outcome),
		tracing.KeyCode.String(e.Code),
		tracing.KeyUser.String(e.User),
		tracing.KeyAuthority.String(e.Authority),
		tracing.KeyRule.String(e.Rule),
		tracing.KeyMethod.String(e.Method),
		tracing.KeyVerifier.String(e.Verifier),
		tracing.KeyAccount.String(e.Account),
		tracing.KeyServerName.String(e.ServerName),
		tracing.KeyServerID.String(e.ServerID),
		tracing.KeyClientAddress.String(e.ClientHost),
		tracing.KeyClientID.Int64(int64(e.ClientID)), //nolint:gosec // a server does not number so many clients
		tracing.KeyClientKind.String(e.ClientKind),
	}
}
