package exchange

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// Subscribe calls handle with the messages on a subject of the callout account, one after the
// other, until Stop. Messages of any other account are left out. Call it after Start.
func (x *Exchange) Subscribe(subject string, handle func(data []byte)) error {
	_, err := x.nc.Subscribe(subject, func(m *nats.Msg) {
		if x.access.allowed() {
			handle(m.Data)
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	return nil
}
