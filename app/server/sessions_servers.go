package server

import (
	"math/rand/v2"

	"usher/app/assembly"
	"usher/app/natsconn"
	"usher/app/sessions/servers"
	"usher/internal/metrics"
)

// prepareServers reads the files of the connection to the system account. Without a user of
// the system account, it will never connect.
func (srv *Server) prepareServers(refused func(servers.Refusal)) (*servers.Servers, error) {
	cfg := servers.Config{Refused: refused, Now: srv.Parts.Now, Random: rand.Float64, Log: srv.log}
	if !srv.cfg.Sessions.Configured() {
		return servers.New(cfg), nil
	}
	opts, err := natsconn.SessionsOptions(srv.cfg)
	if err != nil {
		return nil, err
	}
	keys := srv.Parts.Keyring.Keyring
	cfg.URLs, cfg.Options = natsconn.URLs(srv.cfg), append(opts, natsconn.LogSessionsErrors(srv.cfg, srv.log, srv.Parts.Now))
	cfg.Private = []string{assembly.ServerAccount(srv.cfg, keys()), srv.cfg.Accounts.System}
	if a, ok := keys().Account(srv.cfg.Accounts.System); ok {
		cfg.Private = append(cfg.Private, a.PublicKey)
	}
	cfg.AccountName = func(id string) string {
		for _, a := range keys().Accounts() {
			if a.PublicKey == id {
				return a.Name
			}
		}
		return id
	}
	return servers.New(cfg), nil
}

// serverStates are the metrics of the connection to the system account; none without a user
// of the system account.
func (l *liveSessions) serverStates() []metrics.State {
	if !l.servers.Configured() {
		return nil
	}
	one := func(name, help string, counter bool, read func(*servers.Status) float64) metrics.State {
		return metrics.State{Name: "usher_sessions_" + name, Help: help, Counter: counter, Read: func() []metrics.Sample {
			s := l.servers.Status()
			return sample(read(&s))
		}}
	}
	return []metrics.State{
		one("servers", "Servers that answer on the system account.", false, func(s *servers.Status) float64 { return float64(s.Answering()) }),
		one("differences_total", "Times when a server had another number of connections than usher knew of. usher then compares their lists.", true,
			func(s *servers.Status) float64 { return float64(s.Differences) }),
		one("gaps_total", "Times when events of the servers came faster than usher could read them.", true, func(s *servers.Status) float64 { return float64(s.Gaps) }),
		one("adopted_total", "Connections that came by auth callout, and of which no usher knew why they were granted.", true, func(s *servers.Status) float64 { return float64(s.Adopted) }),
		one("missing_total", "Sessions that were removed because their server did not have them.", true, func(s *servers.Status) float64 { return float64(s.Missing) }),
		one("kicks_total", "Connections that usher was to close.", true, func(s *servers.Status) float64 { return float64(s.Kicks) }),
		one("kicks_failed_total", "Connections that usher could not close in time. What asked for it may try again.", true, func(s *servers.Status) float64 { return float64(s.KicksFailed) }),
		{
			Name: "usher_sessions_ready", Help: "1 if usher can list and close connections; otherwise 0.",
			Read: func() []metrics.Sample { return sample(oneIf(l.servers.Ready() == nil)) },
		},
		{
			Name: "usher_sessions_events_total", Counter: true, Labels: []string{"event"}, Help: "Events of the servers: connections that began (connect) and ended (disconnect), and those that were not let in (refused).",
			Read: func() []metrics.Sample {
				s := l.servers.Status()
				return []metrics.Sample{
					{Labels: []string{"connect"}, Value: float64(s.Connects)},
					{Labels: []string{"disconnect"}, Value: float64(s.Disconnects)},
					{Labels: []string{"refused"}, Value: float64(s.Refusals)},
				}
			},
		},
		{
			Name: "usher_sessions_lists_total", Counter: true, Labels: []string{"result"}, Help: "Lists of connections that were read from a server: whole (good), or not (bad).",
			Read: func() []metrics.Sample {
				s := l.servers.Status()
				return []metrics.Sample{{Labels: []string{"good"}, Value: float64(s.Scans)}, {Labels: []string{"bad"}, Value: float64(s.ScansFailed)}}
			},
		},
	}
}
