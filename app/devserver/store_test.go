package devserver_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/devserver"
	"usher/callout/callouttest"
)

// TestStoreReservesNothing: the maximum size of a bucket may exceed the free disk space.
func TestStoreReservesNothing(t *testing.T) {
	s, err := devserver.StartStore(t.TempDir())
	callouttest.Must(t, err)
	defer func() { callouttest.Must(t, s.Stop()) }()
	nc, err := s.Connect()
	callouttest.Must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	callouttest.Must(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "KV_large", Subjects: []string{"$KV.large.>"}, MaxBytes: 1 << 40})
	callouttest.Must(t, err)
}
