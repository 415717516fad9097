package metrics

import (
	"math/bits"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves the metrics of reg. A scraper that asks for OpenMetrics gets exemplars, and one
// that asks for protobuf gets native histograms, too.
func Handler(reg prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// Histogram returns the options of a histogram of durations: with the given buckets, and a native
// one for scrapers that ask for it. Observing takes no lock: a native histogram locks only
// for a new bucket, and for exemplars of its own, which are off.
func Histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
		NativeHistogramMaxExemplars:     -1,
	}
}

// exemplarEvery is how often the exemplar of a range of durations is replaced at most. A scrape
// takes one for each bucket, and most scrapers come every 15 s.
const exemplarEvery = time.Second

// durations observes durations in a histogram, some with the id of their request as exemplar. An
// exemplar costs some allocations, so that only one a second is made for each power of two
// of the duration. A slow request among many fast ones has its own, for that.
type durations struct {
	observer prometheus.Observer
	last     [64]atomic.Int64 // when the exemplar was replaced, in nanoseconds, by bits of the duration
}

// observe adds the duration of a request that ended at now.
func (d *durations) observe(took time.Duration, id string, now time.Time) {
	seconds := took.Seconds()
	if id != "" {
		last, at := &d.last[bits.Len64(uint64(max(took, 0)))], now.UnixNano()
		if before := last.Load(); at-before >= int64(exemplarEvery) && last.CompareAndSwap(before, at) {
			if o, ok := d.observer.(prometheus.ExemplarObserver); ok {
				o.ObserveWithExemplar(seconds, prometheus.Labels{"request_id": id})
				return
			}
		}
	}
	d.observer.Observe(seconds)
}
