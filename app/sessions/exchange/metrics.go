package exchange

import "usher/internal/metrics"

// Metrics returns the metrics of an Exchange. status returns false as long as there is none.
func Metrics(status func() (s Status, ok bool)) []metrics.State {
	one := func(name, help string, counter bool, read func(*Status) float64) metrics.State {
		return metrics.State{Name: "usher_sessions_" + name, Help: help, Counter: counter, Read: func() []metrics.Sample {
			s, ok := status()
			if !ok {
				return []metrics.Sample{{}}
			}
			return []metrics.Sample{{Value: read(&s)}}
		}}
	}
	return []metrics.State{
		one("replicas", "Other replicas that this one hears of.", false, func(s *Status) float64 { return float64(len(s.Replicas)) }),
		one("complete", "1 if this replica has the live sessions of the others; otherwise 0.", false, func(s *Status) float64 {
			if s.Collected && s.Missing == 0 {
				return 1
			}
			return 0
		}),
		one("exchange_lag_seconds", "Time since the other replica was heard of that has been silent for the longest time. After 3 s without a word a replica counts as gone.", false,
			func(s *Status) float64 { return s.Lag.Seconds() }),
		one("exchange_gaps_total", "Times that messages of another replica were missed. They are asked for.", true, func(s *Status) float64 { return float64(s.Gaps) }),
		one("exchange_dropped_total", "Messages of other replicas that came faster than they could be read. They are asked for.", true,
			func(s *Status) float64 { return float64(s.Dropped) }),
		one("exchange_malformed_total", "Messages of other replicas that could not be read, or that no key of the keyring has sealed.", true,
			func(s *Status) float64 { return float64(s.Malformed) }),
		one("exchange_oversized_total", "Sessions that were too large to share with the other replicas.", true, func(s *Status) float64 { return float64(s.Oversized) }),
		one("exchange_received_total", "Sessions that other replicas have sent on request: at the start, and after messages were missed.", true,
			func(s *Status) float64 { return float64(s.Transferred) }),
	}
}
