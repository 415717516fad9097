package rest

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"usher/api/apierror"
	"usher/internal/tracing"
)

// headerTraceparent is the header of W3C Trace Context.
const headerTraceparent = "traceparent"

// trace makes a span of the request. It shows the pattern of the route and not the path,
// whose names can be secrets in the wrong place.
func (r *Request) trace(err error, took time.Duration) {
	t := r.router.cfg.Tracer
	if !t.Sampled(r.status != 0 && r.status < http.StatusBadRequest, took) {
		return
	}
	method := methodOf(r.HTTP.Method)
	span := tracing.Request{
		Name: strings.TrimSpace(method + " " + r.Route.Path), Start: r.arrived, End: r.arrived.Add(took),
		Failed: r.status == 0 || r.status >= http.StatusInternalServerError,
		Attributes: []attribute.KeyValue{
			tracing.KeyRequestID.String(r.id), tracing.KeyOperation.String(r.Route.Name),
			tracing.KeyHTTPMethod.String(method), tracing.KeyHTTPRoute.String(r.Route.Path), tracing.KeyHTTPStatus.Int(r.status),
			tracing.KeyUser.String(r.Change.Actor), tracing.KeyClientAddress.String(r.host),
		},
	}
	if err != nil {
		span.Status = strings.ToLower(apierror.From(err).Status)
		span.Attributes = append(span.Attributes, tracing.KeyCode.String(span.Status))
	}
	ctx := r.Context()
	if r.Caller != nil { // a stranger must not write into the traces of others
		ctx = tracing.WithParent(ctx, r.HTTP.Header.Get(headerTraceparent))
	}
	t.Record(ctx, &span)
}

// methodOf returns a method of a route, or the name that the semantic conventions of
// OpenTelemetry have for others, which a client may have made up.
func methodOf(method string) string {
	if slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, method) {
		return method
	}
	return "_OTHER"
}
