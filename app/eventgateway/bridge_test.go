package eventgateway_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"usher/app/apptest/gatewaytest"
	"usher/app/setup"
	"usher/callout/callouttest"
)

// The same with usher's bridge and a store in place of NATS Streaming.
func TestBridgeFailures(t *testing.T) {
	t.Parallel()
	s := startSystem(t, true)
	s.suffer(t,
		fault{"the store is killed", func() { s.storage(); s.startStore(t) }},
		fault{"usher, with the bridge, is killed", func() { s.killUsher(); s.startUsher(t) }},
		fault{"the external server is killed", func() { s.external(); s.startExternal(t) }},
		fault{"the internal server is killed", func() { s.internal(); s.startInternal(t) }},
		fault{"the gateway connections are cut", func() { s.toInternal.cut(); s.toExternal.cut() }},
		fault{"the gateway connections lose everything", func() { s.toInternal.lose(); s.toExternal.lose() }},
		fault{"everything is killed", func() {
			s.killUsher()
			s.storage()
			s.internal()
			s.external()
			s.startExternal(t)
			s.startInternal(t)
			s.startStore(t)
			s.startUsher(t)
		}},
	)
}

// A stan.go client with a token may do the same with the bridge as with NATS Streaming.
func TestBridge(t *testing.T) {
	t.Parallel()
	s := newSite(t, gatewaytest.WithBridge(t))
	s.Start(t)
	s.streaming.CheckIngest(t, s.supervisorArgs()...)
}

// consume reads the stream of the bridge, as a service does.
func (s *system) consume(t *testing.T) func() map[string]int {
	t.Helper()
	js, err := jetstream.NewWithDomain(s.Service(t, setup.ServiceApplications, nats.MaxReconnects(-1), nats.ReconnectWait(retry)), setup.StoreDomain)
	callouttest.Must(t, err)
	var mu sync.Mutex
	counts := map[string]int{}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			c, err := js.Consumer(ctx, setup.StreamHabitat, setup.Durable)
			for err == nil && ctx.Err() == nil {
				var batch jetstream.MessageBatch
				if batch, err = c.Fetch(100, jetstream.FetchMaxWait(time.Second)); err != nil {
					break
				}
				for m := range batch.Messages() {
					mu.Lock()
					counts[string(m.Data())]++
					mu.Unlock()
					_ = m.Ack() // it comes again otherwise
				}
				err = batch.Error()
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(counts)
	}
}

func (s *system) startStore(t *testing.T) {
	t.Helper()
	s.storage = callouttest.RunServerProcess(t, s.natsServer, s.Path(setup.FileStore), s.storeAddr)
}
