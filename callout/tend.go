package callout

import "time"

const (
	tendEvery   = time.Second
	mendEvery   = 5 * time.Second  // how often a connection that is of no use is made again
	forgetEvery = 10 * time.Minute // how long the key shared with a server is kept at least
)

// tend does what has to be done from time to time, until the service stops.
func (s *Service) tend() {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		s.shedding.settle(false)
		if n*tendEvery%mendEvery == 0 {
			s.mend()
		}
		if n*tendEvery%forgetEvery == 0 {
			for _, x := range s.cfg.Keyring().XKeys() {
				x.Forget()
			}
		}
	}
}
