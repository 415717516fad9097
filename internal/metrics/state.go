package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Sample is one value of a State.
type Sample struct {
	Labels []string // values, in the order of State.Labels
	Value  float64
}

// State is a metric whose values are read at each scrape.
type State struct {
	Name, Help string
	Counter    bool // a counter, whose name ends in _total; otherwise a gauge
	Labels     []string
	Read       func() []Sample
}

type stateCollector struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() []Sample
}

// RegisterState registers metrics that are read at each scrape.
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
