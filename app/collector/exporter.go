package collector

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"usher/internal/secret"
)

// exporter counts the spans that are sent, and logs the beginning and the end of a failure.
type exporter struct {
	sdktrace.SpanExporter

	client   *http.Client
	endpoint string
	filter   secret.Filter // hides the headers of the configuration
	log      *slog.Logger

	pending    atomic.Int64 // spans that have ended and are not on their way yet
	sent, lost atomic.Uint64
	failing    atomic.Bool
}

// ExportSpans sends spans. It returns no error: it has logged it.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.pending.Add(-int64(len(spans)))
	if err := e.SpanExporter.ExportSpans(ctx, spans); err != nil {
		e.lost.Add(uint64(len(spans)))
		if !e.failing.Swap(true) {
			e.log.LogAttrs(ctx, slog.LevelWarn, "cannot send traces; requests are not affected",
				slog.String("endpoint", e.endpoint), slog.String("error", e.filter.Text(err.Error(), maxCause)),
				slog.String("hint", "is the collector running, and does it receive OTLP over HTTP? usher_trace_spans_total counts what is lost"))
		}
		return nil
	}
	e.sent.Add(uint64(len(spans)))
	if e.failing.Swap(false) {
		e.log.LogAttrs(ctx, slog.LevelInfo, "traces are sent again", slog.String("endpoint", e.endpoint), slog.Uint64("lost", e.lost.Load()))
	}
	return nil
}

// Shutdown ends requests to the collector, and its connections.
func (e *exporter) Shutdown(ctx context.Context) error {
	err := e.SpanExporter.Shutdown(ctx)
	e.client.CloseIdleConnections()
	return err
}

// bounded is a batch processor that counts the spans for which its queue has no space. The
// processor itself would drop them silently.
type bounded struct {
	sdktrace.SpanProcessor

	exporter *exporter
}

// OnEnd implements sdktrace.SpanProcessor.
func (b *bounded) OnEnd(s sdktrace.ReadOnlySpan) {
	if b.exporter.pending.Add(1) > maxPending {
		b.exporter.pending.Add(-1)
		b.exporter.lost.Add(1)
		return
	}
	b.SpanProcessor.OnEnd(s)
}
