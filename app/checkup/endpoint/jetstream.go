package endpoint

import (
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/config"
	"usher/app/natsconn"
)

// JetStream connects as the service user, under a name and within a time. ok is false if that
// cannot be, which the checks of the service user report. The caller calls end.
func JetStream(cfg *config.Config, name string, limit time.Duration) (js jetstream.JetStream, end func(), ok bool) {
	opts, err := natsconn.ServiceOptions(cfg)
	if err != nil {
		return nil, nil, false
	}
	nc, err := nats.Connect(natsconn.URLs(cfg), append(opts, nats.Name(name), nats.Timeout(limit), nats.NoReconnect(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...) // nats.go would print them
	if err != nil {
		return nil, nil, false
	}
	if js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return nil, nil, false
	}
	return js, nc.Close, true
}
