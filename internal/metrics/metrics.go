// Package metrics counts what usher does, for Prometheus. Names, help and
// labels are written once, here; docs/reference/metrics.md is made from them. It never
// labels with anything a client chooses.
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

// Metrics holds the instruments on the way of a request. Each is looked up once
// here, so that counting costs an atomic add and no lock.
type Metrics struct {
	requests map[string]prometheus.Counter // by code
	steps    map[string]prometheus.Observer
	inFlight prometheus.Gauge
	working  prometheus.Gauge
}

// Code is one result that requests are counted by.
type Code struct{ Outcome, Code string }

// New registers the instruments with reg. codes are all results there are.
func New(reg prometheus.Registerer, codes []Code) *Metrics {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_requests_total",
		Help: "Requests by outcome and code (docs/reference/errors.md).",
	}, []string{"outcome", "code"})
	steps := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "usher_step_duration_seconds",
		Help:    "Time a request spent in each step; step \"queue\" is the wait before it, \"total\" is arrival to answer.",
		Buckets: prometheus.ExponentialBuckets(25e-6, 2.5, 14),
	}, []string{"step"})
	m := &Metrics{
		requests: make(map[string]prometheus.Counter, len(codes)),
		steps:    map[string]prometheus.Observer{},
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "usher_requests_in_flight",
			Help: "Requests that were taken and are not finished.",
		}),
		working: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "usher_requests_working",
			Help: "Requests that are being decided: at most callout.workers, and those that wait for slow verifiers.",
		}),
	}
	for _, c := range codes {
		m.requests[c.Code] = requests.WithLabelValues(c.Outcome, c.Code)
	}
	for _, s := range []string{StepQueue, StepOpen, StepVerify, StepDerive, StepIssue, StepTotal} {
		m.steps[s] = steps.WithLabelValues(s)
	}
	reg.MustRegister(requests, steps, m.inFlight, m.working)
	return m
}

// Request counts one request by its code.
func (m *Metrics) Request(code string) {
	if c, ok := m.requests[code]; ok {
		c.Inc()
	}
}

// Step records how long a step took.
func (m *Metrics) Step(step string, d time.Duration) { m.steps[step].Observe(d.Seconds()) }

// Taken and Done bracket a request.
func (m *Metrics) Taken() { m.inFlight.Inc() }

// Done ends what Taken began.
func (m *Metrics) Done() { m.inFlight.Dec() }

// Begin and End bracket the deciding of a request.
func (m *Metrics) Begin() { m.working.Inc() }

// End ends what Begin began.
func (m *Metrics) End() { m.working.Dec() }
