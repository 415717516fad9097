package apptest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlptrace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span that a Collector has received.
type Span struct {
	Name       string
	Scope      string
	Trace, ID  string // in hexadecimal digits, as Parent
	Parent     string // empty: none
	Attributes map[string]string
	Resource   map[string]string // attributes of the process
	Start, End time.Time
	Failed     bool
	Status     string
}

// Collector receives spans, as an OpenTelemetry collector does: OTLP over HTTP in protobuf.
type Collector struct {
	*httptest.Server

	mu      sync.Mutex
	spans   []Span
	bodies  bytes.Buffer // decompressed
	headers []http.Header
	status  int
	answer  string
}

// NewCollector returns a Collector that is not started. It closes when the test ends.
func NewCollector(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{status: http.StatusOK}
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(c.receive))
	tb.Cleanup(c.Close)
	return c
}

// StartCollector returns a Collector that receives spans over HTTP.
func StartCollector(tb testing.TB) *Collector {
	tb.Helper()
	c := NewCollector(tb)
	c.Start()
	return c
}

// Refuse makes the Collector answer with a status and a text. 200 ends that.
func (c *Collector) Refuse(status int, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.answer = status, text
}

// Spans returns what was received.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Span(nil), c.spans...)
}

// Bodies returns every byte that was received.
func (c *Collector) Bodies() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bodies.String()
}

// Headers returns the headers of every request.
func (c *Collector) Headers() []http.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]http.Header(nil), c.headers...)
}

func (c *Collector) receive(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	text, err := io.ReadAll(body)
	var in collectortrace.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(text, &in)
	}
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint("not an export of traces: ", err), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header)
	c.bodies.Write(text)
	if c.status != http.StatusOK {
		http.Error(w, c.answer, c.status)
		return
	}
	for _, resource := range in.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, spanOf(s, scope.GetScope().GetName(), attributesOf(resource.GetResource().GetAttributes())))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func spanOf(s *otlptrace.Span, scope string, resource map[string]string) Span {
	at := func(ns uint64) time.Time { return time.Unix(0, int64(ns)) }
	return Span{
		Name: s.GetName(), Scope: scope, Resource: resource, Attributes: attributesOf(s.GetAttributes()),
		Trace: fmt.Sprintf("%x", s.GetTraceId()), ID: fmt.Sprintf("%x", s.GetSpanId()), Parent: fmt.Sprintf("%x", s.GetParentSpanId()),
		Start: at(s.GetStartTimeUnixNano()), End: at(s.GetEndTimeUnixNano()),
		Failed: s.GetStatus().GetCode() == otlptrace.Status_STATUS_CODE_ERROR, Status: s.GetStatus().GetMessage(),
	}
}

func attributesOf(in []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range in {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			out[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			out[a.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			out[a.GetKey()] = fmt.Sprint(a.GetValue())
		}
	}
	return out
}
