package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// APIRequest is a request to the API that has ended.
type APIRequest struct {
	ID     string
	Route  string // of the API's table, or "unknown"
	Status int    // of the answer; 0: the client went away before it
	Took   time.Duration
	At     time.Time // when it ended
}

// NewAPI registers the metrics of requests to the API, and returns what counts one.
func NewAPI(reg prometheus.Registerer) func(APIRequest) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "usher_api_requests_total",
		Help: "Requests to the API by route and by the status of the answer; 0: the client went away before it.",
	}, []string{"route", "status"})
	duration := prometheus.NewHistogramVec(Histogram("usher_api_request_duration_seconds",
		"Time from the arrival of a request to the API to the end of the answer, by route. A pull may wait for messages.",
		prometheus.ExponentialBuckets(1e-3, 4, 8)), []string{"route"})
	reg.MustRegister(requests, duration)
	var routes sync.Map // of *durations, by route
	return func(r APIRequest) {
		requests.WithLabelValues(r.Route, strconv.Itoa(r.Status)).Inc()
		d, ok := routes.Load(r.Route)
		if !ok {
			d, _ = routes.LoadOrStore(r.Route, &durations{observer: duration.WithLabelValues(r.Route)})
		}
		d.(*durations).observe(r.Took, r.ID, r.At) //nolint:forcetypeassert // nothing else is stored
	}
}
