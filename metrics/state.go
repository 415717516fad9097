package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Sample is one value of a metric that is read when it is scraped.
type Sample struct {
	Labels []string // in the order of the state metric's labels
	Value  float64
}

// State is a gauge whose values are read from the live state at each scrape.
type State struct {
	Name, Help string
	Labels     []string
	Read       func() []Sample
}

type stateCollector struct {
	desc *prometheus.Desc
	read func() []Sample
}

// RegisterState registers gauges that read live state.
func RegisterState(reg prometheus.Registerer, states ...State) {
	for _, s := range states {
		reg.MustRegister(&stateCollector{
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
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, s.Value, s.Labels...)
	}
}
