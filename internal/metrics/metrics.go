// Package metrics counts requests for Prometheus. Names, help and labels are written
// once, here; docs/reference/metrics.md is made from them. No label value is ever chosen by a
// client.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Steps of a request, as label "step" of usher_step_duration_seconds.
const (
	StepQueue  = "queue"
	StepOpen   = "open"
	StepVerify = "verify"
	StepDerive = "derive"
	StepIssue  = "issue"
	StepTotal  = "total"
)

// Metrics holds the metrics of a request. It looks up each label combination once,
// so that counting costs an atomic add and no lock.
type Metrics struct {
	requests map[string]prometheus.Counter // by code
	verified *prometheus.CounterVec
	decided  map[decision]prometheus.Counter
	steps    map[string]*durations
	inFlight prometheus.Gauge
	deciding prometheus.Gauge
}

// Code is one result of a request.
type Code struct{ Outcome, Code string }

// decision is what came of the requests whose credential a verifier decided about.
type decision struct{ verifier, outcome string }

// New registers the metrics with reg. codes lists every result.
func New(reg prometheus.Registerer, codes []Code) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_requests_total",
		Help: "Requests by outcome and code (docs/reference/errors.md).",
	}, []string{"outcome", "code"})
	steps := prometheus.NewHistogramVec(Histogram("usher_step_duration_seconds",
		"Time a request spent in each step; step \"queue\" is the wait before the first, step \"total\" is arrival to answer.",
		prometheus.ExponentialBuckets(25e-6, 2.5, 14)), []string{"step"})
	m := &Metrics{
		requests: make(map[string]prometheus.Counter, len(codes)),
		steps:    map[string]*durations{},
		decided:  map[decision]prometheus.Counter{},
		verified: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "usher_verifier_requests_total",
			Help: "Requests by the verifier that decided about the credential, and by outcome.",
		}, []string{"verifier", "outcome"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "usher_requests_in_flight",
			Help: "Requests admitted and not finished.",
		}),
		deciding: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "usher_requests_working",
			Help: "Requests being decided: at most callout.workers that compute, and those that wait for slow verifiers.",
		}),
	}
	for _, c := range codes {
		m.requests[c.Code] = requests.WithLabelValues(c.Outcome, c.Code)
	}
	for _, s := range []string{StepQueue, StepOpen, StepVerify, StepDerive, StepIssue, StepTotal} {
		m.steps[s] = &durations{observer: steps.WithLabelValues(s)}
	}
	reg.MustRegister(requests, steps, m.verified, m.inFlight, m.deciding)
	return m
}

// Request counts one request by its code. A code that New does not know is not counted.
func (m *Metrics) Request(code string) {
	if c, ok := m.requests[code]; ok {
		c.Inc()
	}
}

// Verifiers says which verifiers there are. Call it before the first Verified.
func (m *Metrics) Verifiers(names, outcomes []string) {
	for _, v := range names {
		for _, o := range outcomes {
			m.decided[decision{v, o}] = m.verified.WithLabelValues(v, o)
		}
	}
}

// Verified counts one request by the verifier that decided about its credential. A
// verifier or an outcome that Verifiers was not told is not counted, such as none.
func (m *Metrics) Verified(verifier, outcome string) {
	if c, ok := m.decided[decision{verifier, outcome}]; ok {
		c.Inc()
	}
}

// Step records the duration of a step of the request id, which ended at now.
func (m *Metrics) Step(step string, d time.Duration, id string, now time.Time) {
	m.steps[step].observe(d, id, now)
}

// Admitted counts a request as in flight, until Finished.
func (m *Metrics) Admitted() { m.inFlight.Inc() }

// Finished ends what Admitted began.
func (m *Metrics) Finished() { m.inFlight.Dec() }

// DecisionStarted counts a request as being decided, until DecisionEnded.
func (m *Metrics) DecisionStarted() { m.deciding.Inc() }

// DecisionEnded ends what DecisionStarted began.
func (m *Metrics) DecisionEnded() { m.deciding.Dec() }
