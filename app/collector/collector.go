package collector

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"usher/app/config"
	"usher/internal/secret"
	"usher/internal/tracing"
)

// Limits of sending.
const (
	batch       = 512 // spans of one HTTP request
	maxPending  = 8 * batch
	batchDelay  = time.Second     // the longest that a span waits for a batch to be full
	sendTimeout = 5 * time.Second // of one HTTP request
	sendLimit   = 10 * time.Second
	stopLimit   = 2 * time.Second
	maxText     = 1024 // bytes of one attribute
	maxCause    = 300  // bytes of a logged error
)

// Service is what the collector learns about this process.
type Service struct {
	Version  string
	Instance string // id of this process
	Host     string // empty: unknown
}

// Collector is where spans go. A nil Collector makes no spans.
type Collector struct {
	provider *sdktrace.TracerProvider
	exporter *exporter
	version  string
}

// Open returns the collector of a configuration, or nil if it has none. It connects nothing.
func Open(cfg *config.Config, service Service, log *slog.Logger) (*Collector, error) {
	if cfg.Tracing.Endpoint == "" {
		return nil, nil //nolint:nilnil // a nil Collector is the one that is off
	}
	access, err := Load(cfg)
	if err != nil {
		return nil, err
	}
	// The options replace what the environment says about the same.
	otlp, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(access.url),
		otlptracehttp.WithHTTPClient(access.client), otlptracehttp.WithTLSClientConfig(nil), otlptracehttp.WithHeaders(access.headers),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression), otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 3 * time.Second, MaxElapsedTime: sendLimit}),
	)
	if err != nil {
		return nil, err
	}
	filter := secret.NewFilter(access.secrets()...)
	// Only what is wrong with the environment comes here. The handler is one for the process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.LogAttrs(context.Background(), slog.LevelWarn, "OpenTelemetry reports an error", slog.String("error", filter.Text(err.Error(), maxCause)))
	}))
	e := &exporter{SpanExporter: otlp, client: access.client, endpoint: cfg.Tracing.Endpoint, filter: filter, log: log}
	batches := sdktrace.NewBatchSpanProcessor(e, sdktrace.WithMaxQueueSize(maxPending), sdktrace.WithMaxExportBatchSize(batch),
		sdktrace.WithBatchTimeout(batchDelay), sdktrace.WithExportTimeout(sendLimit))
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxText
	return &Collector{
		exporter: e, version: service.Version,
		provider: sdktrace.NewTracerProvider(
			sdktrace.WithSampler(sdktrace.AlwaysSample()), // package tracing has decided
			sdktrace.WithSpanProcessor(&bounded{SpanProcessor: batches, exporter: e}),
			sdktrace.WithResource(service.resource()), sdktrace.WithRawSpanLimits(limits),
		),
	}, nil
}

// resource describes this process with the semantic conventions of OpenTelemetry.
func (s *Service) resource() *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", "usher"), attribute.String("service.version", s.Version),
		attribute.String("service.instance.id", s.Instance),
	}
	if s.Host != "" {
		attrs = append(attrs, attribute.String("host.name", s.Host))
	}
	return resource.NewSchemaless(attrs...)
}

// Tracer returns a Tracer for one kind of requests, or nil.
func (c *Collector) Tracer(scope string, p tracing.Policy) *tracing.Tracer { //nolint:gocritic // once for each kind
	if c == nil {
		return nil
	}
	return tracing.New(c.provider.Tracer(scope, trace.WithInstrumentationVersion(c.version)), p)
}

// Sent returns how many spans the collector has accepted, and how many are lost.
func (c *Collector) Sent() (sent, lost uint64) {
	if c == nil {
		return 0, 0
	}
	return c.exporter.sent.Load(), c.exporter.lost.Load()
}

// Stop sends what waits, until ctx ends and for no longer than stopLimit.
func (c *Collector) Stop(ctx context.Context) {
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	err := c.provider.Shutdown(ctx)
	// Ends what is still on its way. It has ended before if Shutdown was in time.
	_ = c.exporter.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		c.exporter.log.LogAttrs(ctx, slog.LevelWarn, "the last traces were not sent", slog.String("endpoint", c.exporter.endpoint))
	}
}
