package server

import (
	"math/rand/v2"

	"github.com/google/uuid"

	"usher/app/collector"
	"usher/app/config"
	"usher/internal/metrics"
	"usher/internal/tracing"
	"usher/internal/version"
)

// tracers make the spans of each kind of requests, with limits of their own, so that a flood
// of one kind does not end the traces of the other. They are nil if nothing is traced.
type tracers struct{ callout, api *tracing.Tracer }

// choose puts what tracing says about requests into force.
func (t *tracers) choose(cfg *config.Tracing) {
	t.callout.Choose(cfg.Slow, cfg.Share)
	t.api.Choose(cfg.Slow, cfg.Share)
}

func (srv *Server) openCollector() (err error) {
	cfg := &srv.cfg.Tracing
	service := collector.Service{Version: version.Semver(), Instance: uuid.NewString(), Host: hostName()}
	if srv.collector, err = collector.Open(srv.cfg, service, srv.log); err != nil {
		return err
	}
	policy := tracing.Policy{Slow: cfg.Slow, Share: cfg.Share, Now: srv.Parts.Now, Random: rand.Float64}
	srv.tracers = tracers{callout: srv.collector.Tracer("usher/callout", policy), api: srv.collector.Tracer("usher/api", policy)}
	return nil
}

func (srv *Server) tracesDropped() []metrics.Sample {
	return []metrics.Sample{
		{Labels: []string{"callout"}, Value: float64(srv.tracers.callout.Dropped())},
		{Labels: []string{"api"}, Value: float64(srv.tracers.api.Dropped())},
	}
}

func (srv *Server) traceSpans() []metrics.Sample {
	sent, lost := srv.collector.Sent()
	return []metrics.Sample{
		{Labels: []string{"sent"}, Value: float64(sent)},
		{Labels: []string{"lost"}, Value: float64(lost)},
	}
}
