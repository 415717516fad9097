package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/internal/metrics"
)

// Outcome is what came of a push, as label "outcome".
type Outcome string

// The outcomes of a push.
const (
	OutcomeDelivered     Outcome = "delivered"     // the endpoint has taken it
	OutcomeStatus        Outcome = "status"        // it answered with another status
	OutcomeTimeout       Outcome = "timeout"       // it did not answer in time
	OutcomeConnection    Outcome = "connection"    // it could not be reached, or may not be
	OutcomeAuthorization Outcome = "authorization" // the authorization header was not known
	OutcomeFailed        Outcome = "failed"        // no request could be made
)

func outcomes() []Outcome {
	return []Outcome{OutcomeDelivered, OutcomeStatus, OutcomeTimeout, OutcomeConnection, OutcomeAuthorization, OutcomeFailed}
}

// Metrics counts pushes. A nil Metrics counts nothing.
type Metrics struct {
	pushes      map[Outcome]prometheus.Counter
	duration    prometheus.Histogram
	messages    prometheus.Counter
	deadLetters prometheus.Counter
	unstored    prometheus.Counter
	sources     prometheus.Counter
	acks        prometheus.Counter
	active      prometheus.Gauge
	retrying    prometheus.Gauge
	open        prometheus.Gauge
}

// NewMetrics registers the metrics of pushes.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "usher_push_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "usher_push_" + name, Help: help})
	}
	pushes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_push_requests_total",
		Help: "Pushes to endpoints by outcome: delivered, status (the endpoint answered with another one), timeout, connection (also addresses that push.allow_networks does not allow), authorization (the header was not known), failed.",
	}, []string{"outcome"})
	m := &Metrics{
		pushes: map[Outcome]prometheus.Counter{},
		duration: prometheus.NewHistogram(metrics.Histogram("usher_push_request_duration_seconds", "Time from the start of a push to the end of the answer.",
			prometheus.ExponentialBuckets(1e-3, 2.5, 13))),
		messages:    counter("messages_total", "Messages that endpoints have taken."),
		deadLetters: counter("dead_letters_total", "Messages that were given up after push.max_deliveries and stored at push.dead_letter_subject."),
		unstored:    counter("dead_letters_failed_total", "Times that a dead letter could not be stored. The message is kept and tried again."),
		sources:     counter("source_errors_total", "Times that messages of a subscription could not be read."),
		acks:        counter("ack_errors_total", "Times that messages could not be acknowledged after they were taken. They may be pushed again."),
		active:      gauge("subscriptions", "Subscriptions that this process works on."),
		retrying:    gauge("subscriptions_retrying", "Subscriptions that this process works on and whose last push failed."),
		open:        gauge("requests_open", "Requests to endpoints that are open."),
	}
	for _, o := range outcomes() {
		m.pushes[o] = pushes.WithLabelValues(string(o))
	}
	reg.MustRegister(pushes, m.duration, m.messages, m.deadLetters, m.unstored, m.sources, m.acks, m.active, m.retrying, m.open)
	return m
}

func (m *Metrics) took(d time.Duration) {
	if m != nil {
		m.duration.Observe(d.Seconds())
	}
}

func (m *Metrics) pushed(o Outcome, messages int) {
	if m == nil {
		return
	}
	m.pushes[o].Inc()
	if o == OutcomeDelivered {
		m.messages.Add(float64(messages))
	}
}

func (m *Metrics) buried(err error) {
	switch {
	case m == nil:
	case err != nil:
		m.unstored.Inc()
	default:
		m.deadLetters.Inc()
	}
}

func (m *Metrics) sourceFailed() {
	if m != nil {
		m.sources.Inc()
	}
}

func (m *Metrics) ackFailed() {
	if m != nil {
		m.acks.Inc()
	}
}

// add changes the gauges by the differences.
func (m *Metrics) add(active, retrying, open int) {
	if m == nil {
		return
	}
	m.active.Add(float64(active))
	m.retrying.Add(float64(retrying))
	m.open.Add(float64(open))
}
