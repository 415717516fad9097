package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NewAPI registers the metrics of requests to the API, and returns what counts one. The routes
// are those of the API's table, and "unknown".
func NewAPI(reg prometheus.Registerer) func(route string, status int, took time.Duration) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_api_requests_total",
		Help: "Requests to the API by route and by the status of the answer; 0: the client went away before it.",
	}, []string{"route", "status"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "usher_api_duration_seconds",
		Help:    "Time from the arrival of a request to the API to the end of the answer, by route. A pull may wait for messages.",
		Buckets: prometheus.ExponentialBuckets(1e-3, 4, 8),
	}, []string{"route"})
	reg.MustRegister(requests, duration)
	return func(route string, status int, took time.Duration) {
		requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
		duration.WithLabelValues(route).Observe(took.Seconds())
	}
}
