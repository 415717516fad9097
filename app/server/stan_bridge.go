package server

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"usher/app/assembly"
	"usher/app/stanbridge"
	"usher/internal/fault"
	"usher/internal/metrics"
	"usher/internal/secret"
)

// bridge is the bridge from NATS Streaming, if there is one.
type bridge struct {
	cfg     *stanbridge.Config // nil: off
	running atomic.Pointer[stanbridge.Bridge]
	stopped sync.WaitGroup
}

// prepareBridge reads the files of the bridge.
func (srv *Server) prepareBridge() (err error) {
	srv.bridge.cfg, err = assembly.StanBridge(srv.cfg, srv.log, srv.Parts.Now)
	if err != nil || srv.bridge.cfg == nil {
		return err
	}
	latency := prometheus.NewHistogram(metrics.Histogram("usher_stan_bridge_ack_duration_seconds",
		"Time from the arrival of a message of a NATS Streaming client to the acknowledgement of JetStream.",
		[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}))
	srv.registry.MustRegister(latency)
	srv.bridge.cfg.Observe = func(d time.Duration) { latency.Observe(d.Seconds()) }
	return nil
}

func (b *bridge) start() error {
	if b.cfg == nil {
		return nil
	}
	running, err := stanbridge.Start(b.cfg)
	if err != nil {
		return &fault.Error{Kind: fault.Config, Err: err}
	}
	b.running.Store(running)
	return nil
}

// stopWith begins to stop the bridge, which may take until ctx ends.
func (b *bridge) stopWith(ctx context.Context) {
	b.stopped.Go(func() { b.running.Load().Stop(ctx) })
}

// wait waits until the bridge has stopped.
func (b *bridge) wait() { b.stopped.Wait() }

// detail returns a line if the bridge is not ready. It is a detail of readiness: requests
// are decided all the same.
func (b *bridge) detail() string {
	if b.cfg == nil {
		return ""
	}
	s := b.running.Load().Status()
	switch {
	case !s.Connected && s.Unreachable != nil:
		return fmt.Sprintf("STAN bridge: not connected: %s\n", secret.RedactDetected(s.Unreachable.Error()))
	case !s.Connected:
		return "STAN bridge: not connected\n"
	case s.Stream != nil:
		return fmt.Sprintf("STAN bridge: %s\n", secret.RedactDetected(s.Stream.Error()))
	}
	return ""
}

// states are the metrics of the bridge; none if it is off.
func (b *bridge) states() []metrics.State {
	if b.cfg == nil {
		return nil
	}
	one := func(name, help string, counter bool, read func(*stanbridge.Status) float64) metrics.State {
		return metrics.State{Name: "usher_stan_bridge_" + name, Help: help, Counter: counter, Read: func() []metrics.Sample {
			s := b.running.Load().Status()
			return sample(read(&s))
		}}
	}
	return []metrics.State{
		one("ready", "1 if the bridge is connected and its stream is there; otherwise 0.", false,
			func(s *stanbridge.Status) float64 { return oneIf(s.Connected && s.Stream == nil) }),
		one("clients", "NATS Streaming clients that connected or published in the last five minutes, at most 16384.", false,
			func(s *stanbridge.Status) float64 { return float64(s.Clients) }),
		one("connects_total", "Connection requests that were accepted.", true, func(s *stanbridge.Status) float64 { return float64(s.Connects) }),
		one("published_total", "Messages that arrived from clients.", true, func(s *stanbridge.Status) float64 { return float64(s.Received) }),
		one("acked_total", "Messages that JetStream has acknowledged, and the bridge to their clients.", true, func(s *stanbridge.Status) float64 { return float64(s.Acked) }),
		one("unanswered_total", "Answers that could not be sent.", true, func(s *stanbridge.Status) float64 { return float64(s.Unanswered) }),
		one("pending", "Messages that wait for JetStream.", false, func(s *stanbridge.Status) float64 { return float64(s.Pending) }),
		one("pending_bytes", "Bytes of the messages that wait for JetStream.", false, func(s *stanbridge.Status) float64 { return float64(s.PendingBytes) }),
		{
			Name: "usher_stan_bridge_refused_total", Counter: true, Labels: []string{"reason"},
			Help: "Messages and requests that were refused or not answered. With an error: malformed, client (no valid client ID), channel (not served), too_large, subscription, rejected (by the stream). With silence: unavailable (JetStream has not acknowledged), full (too many wait), share (too many of this client wait), overflow (not read in time).",
			Read: func() (all []metrics.Sample) {
				s := b.running.Load().Status()
				for _, r := range stanbridge.Reasons() {
					all = append(all, metrics.Sample{Labels: []string{string(r)}, Value: float64(s.Refused[r])})
				}
				return all
			},
		},
	}
}
