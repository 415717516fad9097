package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Sample is one value of a metric that is read when it is scraped.
type Sample struct {
	Labels []string // in the order of the state metric's labels
	Value  float64
}

// State is a metric whose values are read from the live state at each scrape.
type State struct {
	Name, Help string
	Counter    bool // it counts up since the start; its name ends in _total. Otherwise it is a gauge
	Labels     []string
	Read       func() []Sample
}

type stateCollector struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() []Sample
}

// RegisterState registers metrics that read live state.
func RegisterState(reg prometheus.Registerer, states ...State) {
	for _, s := range states {
		kind := prometheus.GaugeValue
		if s.Counter {
			kind = prometheus.CounterValue
		}
		reg.MustRegister(&stateCollector{
			kind: kind,
			desc: prometheus.NewDesc(s.Name, s.Help, s.Labels, nil),
			read: s.Read,
		})
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.read() {
		ch <- prometheus.MustNewConstMetric(c.desc, c.kind, s.Value, s.Labels...)
	}
}
