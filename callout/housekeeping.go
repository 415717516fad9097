package callout

import "time"

const (
	housekeepingInterval = time.Second
	reconnectInterval    = 5 * time.Second  // of connections that cannot answer requests
	forgetInterval       = 10 * time.Minute // of the keys shared with servers, which xkeys cache
)

// housekeeping runs periodic work until the service stops.
func (s *Service) housekeeping() {
	tick := time.NewTicker(housekeepingInterval)
	defer tick.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		s.shedding.EndIfQuiet()
		if n*housekeepingInterval%reconnectInterval == 0 {
			s.reconnectUnusable()
		}
		if n*housekeepingInterval%forgetInterval == 0 {
			for _, x := range s.cfg.Keyring().XKeys() {
				x.Forget()
			}
		}
	}
}
