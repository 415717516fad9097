package exchange

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Serve answers requests at a subject that all replicas answer, each for itself, over the
// connection of the exchange, while that is in the callout account. Call it after Start.
func (x *Exchange) Serve(subject string, answer func() []byte) error {
	_, err := x.nc.Subscribe(subject, func(m *nats.Msg) {
		if m.Reply == "" || !x.access.allowed() {
			return
		}
		if err := m.Respond(answer()); err != nil {
			x.warn("answer a command", err)
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	return nil
}
