package server

import (
	"sync/atomic"

	"usher/app/assembly"
	"usher/internal/version"

	"github.com/prometheus/client_golang/prometheus"

	"usher/directory/kv"
	"usher/internal/metrics"
)

// reloads counts reloads of something.
type reloads struct {
	good, bad prometheus.Counter
	failed    atomic.Bool // the last one
}

// newReloads registers the metrics of reloads of what is called subsystem in their names. usher
// has loaded it once before it serves metrics.
func newReloads(reg prometheus.Registerer, subsystem, help string) *reloads {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "usher_" + subsystem + "_reloads_total", Help: help}, []string{"result"})
	r := &reloads{good: v.WithLabelValues("good"), bad: v.WithLabelValues("bad")}
	reg.MustRegister(v)
	metrics.RegisterState(reg, metrics.State{
		Name: "usher_" + subsystem + "_last_reload_successful", Help: "1 if the last reload was good, or there was none yet; otherwise 0.",
		Read: func() []metrics.Sample { return sample(oneIf(!r.failed.Load())) },
	})
	return r
}

func (r *reloads) count(good bool) {
	r.failed.Store(!good)
	if good {
		r.good.Inc()
	} else {
		r.bad.Inc()
	}
}

func sample(v float64) []metrics.Sample { return []metrics.Sample{{Value: v}} }

// registerState registers what is read from the live state at each scrape.
func (srv *Server) registerState() {
	metrics.RegisterProcess(srv.registry, version.Semver(), srv.Ready)
	metrics.RegisterState(srv.registry, assembly.CertificateState(srv.cfg))
	metrics.RegisterState(srv.registry, srv.verifierStates()...)
	metrics.RegisterState(srv.registry, srv.bridge.states()...)
	metrics.RegisterState(srv.registry, srv.messages.States()...)
	metrics.RegisterState(srv.registry, srv.exchangeStates()...)
	metrics.RegisterState(srv.registry, srv.sessions.serverStates()...)
	metrics.RegisterState(srv.registry, srv.sessions.refusalStates()...)
	metrics.RegisterState(srv.registry, srv.sessions.revocationStates()...)
	metrics.RegisterState(srv.registry,
		metrics.State{
			Name: "usher_service_connections", Help: "Service connections to NATS by state.", Labels: []string{"state"},
			Read: func() []metrics.Sample {
				up, of := srv.connected()
				return []metrics.Sample{
					{Labels: []string{"connected"}, Value: float64(up)},
					{Labels: []string{"disconnected"}, Value: float64(of - up)},
				}
			},
		},
		metrics.State{
			Name: "usher_requests_waiting", Help: "Requests waiting in the queue.",
			Read: func() []metrics.Sample { return sample(float64(srv.load().Waiting)) },
		},
		metrics.State{
			Name: "usher_queue_age_seconds", Help: "How long the oldest waiting request has waited.",
			Read: func() []metrics.Sample { return sample(srv.load().Oldest.Seconds()) },
		},
		metrics.State{
			Name: "usher_answers", Help: "Congestion window of answers, summed over all connections: how many may be in flight to servers (limit), and how many slots are in use (taken). The limit adapts to how fast the servers process answers.", Labels: []string{"state"},
			Read: func() []metrics.Sample {
				l := srv.load()
				return []metrics.Sample{
					{Labels: []string{"limit"}, Value: float64(l.Window)},
					{Labels: []string{"taken"}, Value: float64(l.InUse)},
				}
			},
		},
		metrics.State{
			Name: "usher_answer_delay_seconds", Help: "Time until the server has processed an answer, the longest of all connections. 0 after 10 s without answers. If it grows, the server is the bottleneck, and another replica of usher does not help.",
			Read: func() []metrics.Sample { return sample(srv.load().Delay.Seconds()) },
		},
		metrics.State{
			Name: "usher_key_age_seconds", Help: "Age of each key of the keyring, from when its file was written.", Labels: keyLabels(),
			Read: srv.keyAges,
		},
		metrics.State{
			Name: "usher_key_requests_last_hour", Help: "Verified requests in the last hour, by the key of the keyring that their server expects or that opened them; for a signing key of operator mode, answers that it signed.", Labels: keyLabels(),
			Read: srv.keyRequests,
		},
		metrics.State{
			Name: "usher_keyring_age_seconds", Help: "Time since the keyring in use was loaded.",
			Read: func() []metrics.Sample { return sample(srv.Parts.Now().Sub(srv.Parts.Keyring.LoadedAt()).Seconds()) },
		},
		metrics.State{
			Name: "usher_configuration_restart_needed", Help: "1 if usher.yaml has changed in keys that need a restart of usher; otherwise 0.",
			Read: func() []metrics.Sample { return sample(srv.configurationRestart()) },
		},
		metrics.State{
			Name: "usher_directory_entries", Help: "What the directory in use holds.", Labels: []string{"kind"},
			Read: srv.directorySize,
		},
		metrics.State{
			Name: "usher_directory_age_seconds", Help: "How old the view of the directory is: of a file, the time since it was loaded; of a bucket, since it was known to hold nothing newer.",
			Read: srv.directoryAge,
		},
		metrics.State{
			Name: "usher_directory_revision", Help: "Revision of the bucket that is in force here.",
			Read: srv.directoryStatus(func(s *kv.Status) float64 { return float64(s.Revision) }),
		},
		metrics.State{
			Name: "usher_directory_entries_unreadable", Help: "Entries of the bucket that are left out, because they cannot be read or do not fit the others.",
			Read: srv.directoryStatus(func(s *kv.Status) float64 { return float64(len(s.Faults)) }),
		},
		metrics.State{
			Name: "usher_directory_bucket_bytes", Help: "How much the bucket holds, as its server counts it: entries, and marks of removed ones.",
			Read: srv.directoryStatus(func(s *kv.Status) float64 { return float64(s.Usage.Bytes) }),
		},
		metrics.State{
			Name: "usher_directory_bucket_limit_bytes", Help: "max_bytes of the bucket; 0: it has none. From four fifths of it on, what makes the directory larger is refused.",
			Read: srv.directoryStatus(func(s *kv.Status) float64 { return float64(s.Usage.Limit) }),
		},
		metrics.State{
			Name: "usher_directory_bucket_messages", Help: "Messages of the bucket: entries, and marks of removed ones.",
			Read: srv.directoryStatus(func(s *kv.Status) float64 { return float64(s.Usage.Messages) }),
		},
		metrics.State{
			Name: "usher_directory_changes_refused_total", Counter: true, Labels: []string{"reason"},
			Help: "Changes that did not fit: in the bucket (bucket_full), or in the share of a project (project_share).",
			Read: srv.changesRefused,
		},
		metrics.State{
			Name: "usher_audit_events_lost_total", Counter: true, Help: "Audit events that could not be kept since the start.",
			Read: func() []metrics.Sample { return sample(float64(srv.audit.Lost())) },
		},
		metrics.State{
			Name: "usher_audit_events_waiting", Help: "Audit events that wait to be stored in the stream (audit.to: stream), in memory and in the spool file.",
			Read: func() []metrics.Sample { return sample(float64(srv.audit.Waiting())) },
		},
		metrics.State{
			Name: "usher_traces_dropped_total", Counter: true, Labels: []string{"source"},
			Help: "Requests that were chosen for a trace and left out, because no more than 100 a second are traced: authorization requests (callout), API requests (api).",
			Read: srv.tracesDropped,
		},
		metrics.State{
			Name: "usher_trace_spans_total", Counter: true, Labels: []string{"result"},
			Help: "Spans that the collector has accepted (sent), and those that it has not, or that found no space in the queue (lost).",
			Read: srv.traceSpans,
		},
	)
}

// keyLabels are those of every metric of a key of the keyring. There are no more
// keys than the operator has put there.
func keyLabels() []string { return []string{"kind", "key", "state", "account", "scope"} }

func (srv *Server) keyAges() []metrics.Sample {
	var samples []metrics.Sample
	for _, k := range srv.Parts.Keyring.Keyring().Keys() {
		samples = append(samples, metrics.Sample{
			Labels: []string{k.Kind, k.PublicKey, string(k.State), k.Account, k.Scope},
			Value:  srv.Parts.Now().Sub(k.Modified).Seconds(),
		})
	}
	return samples
}

func (srv *Server) keyRequests() []metrics.Sample {
	var samples []metrics.Sample
	for _, k := range srv.service.Report().Keys {
		if k.State == "" {
			continue // asked for by others, who could make ever new ones
		}
		samples = append(samples, metrics.Sample{
			Labels: []string{k.Kind, k.PublicKey, string(k.State), k.Account, k.Scope},
			Value:  float64(k.LastHour),
		})
	}
	return samples
}

func (srv *Server) directoryAge() []metrics.Sample {
	at := srv.Parts.Store.LoadedAt()
	if at.IsZero() {
		return nil // nothing is loaded
	}
	return sample(srv.Parts.Now().Sub(at).Seconds())
}

// directoryStatus reads something that only a bucket has.
func (srv *Server) directoryStatus(read func(*kv.Status) float64) func() []metrics.Sample {
	return func() []metrics.Sample {
		bucket, ok := srv.Parts.Store.(*assembly.Bucket)
		if !ok {
			return nil
		}
		status := bucket.Status()
		return sample(read(&status))
	}
}

func (srv *Server) changesRefused() []metrics.Sample {
	bucket, ok := srv.Parts.Store.(*assembly.Bucket)
	if !ok {
		return nil
	}
	u := bucket.Status().Usage
	return []metrics.Sample{
		{Labels: []string{"bucket_full"}, Value: float64(u.RefusedFull)},
		{Labels: []string{"project_share"}, Value: float64(u.RefusedShare)},
	}
}

func (srv *Server) directorySize() []metrics.Sample {
	s := srv.Parts.Store.Snapshot()
	if s == nil {
		return nil
	}
	size := s.Size()
	return []metrics.Sample{
		{Labels: []string{"users"}, Value: float64(size.Users)},
		{Labels: []string{"keys"}, Value: float64(size.Keys)},
		{Labels: []string{"projects"}, Value: float64(size.Projects)},
		{Labels: []string{"topics"}, Value: float64(size.Topics)},
		{Labels: []string{"subscriptions"}, Value: float64(size.Subscriptions)},
		{Labels: []string{"bans"}, Value: float64(size.Bans)},
	}
}
