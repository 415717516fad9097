package callout

import (
	"encoding/json"

	"usher/callout/keyusage"
)

// Report returns the keys of the service, how often servers use them, and what is known of
// live sessions.
func (s *Service) Report() keyusage.Report { return s.report(keyusage.MaxServers) }

func (s *Service) report(maxServers int) keyusage.Report {
	r := keyusage.Report{
		Instance: s.instance, Host: s.cfg.Host, Started: s.started,
		Keys: s.usage.Keys(s.cfg.Keyring(), s.cfg.Now(), maxServers),
	}
	if s.cfg.Live != nil {
		r.Sessions = s.cfg.Live()
	}
	if s.cfg.Sealed != nil {
		r.Sealed = s.cfg.Sealed()
	}
	return r
}

// statsReserve is how many bytes of a $SRV.STATS answer are reserved for all but
// the report.
const statsReserve = 4096

// stats returns the report for nats micro, with as many servers as one message can
// hold.
func (s *Service) stats(c *conn) any {
	for servers := keyusage.MaxServers; ; servers /= 2 {
		text, err := json.Marshal(s.report(servers))
		if err != nil || servers == 0 || int64(len(text)) <= c.nc.MaxPayload()-statsReserve {
			return json.RawMessage(text)
		}
	}
}
