package store_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/messages"
)

// Each benchmark does the same work by turns with the Store and with nats.go on the same
// server, in batches of 100 messages of 1 KiB, and reports the ratio of their rates: x-nats.
const (
	batchSize   = 100
	messageSize = 1 << 10
	roundSize   = 50 // batches of a turn
)

// compare runs turns of both after what prepares them, and reports the median of the ratios.
func compare(b *testing.B, prepare, ours, theirs func()) {
	b.Helper()
	var ratios []float64
	var best [2]time.Duration
	b.ResetTimer()
	for b.Loop() {
		prepare()
		var took [2]time.Duration
		for i, run := range []func(){ours, theirs} {
			before := time.Now()
			run()
			took[i] = time.Since(before)
			if best[i] == 0 || took[i] < best[i] {
				best[i] = took[i]
			}
		}
		ratios = append(ratios, took[1].Seconds()/took[0].Seconds())
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "x-nats")
	b.ReportMetric(roundSize*batchSize/best[0].Seconds(), "store-msg/s")
	b.ReportMetric(roundSize*batchSize/best[1].Seconds(), "nats-msg/s")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkPublish(b *testing.B) {
	f := start(b, func(f *fixture) { f.stream.MaxMsgs, f.stream.Discard = 20_000, jetstream.DiscardOld })
	data := bytes.Repeat([]byte("x"), messageSize)
	batch := make([]messages.Message, batchSize)
	for i := range batch {
		batch[i].Data = data
	}
	compare(b, func() {}, func() {
		for range roundSize {
			_, err := f.Publish(b.Context(), f.topic, batch)
			must(b, err)
		}
	}, func() { // one batch after the other, as ours
		for range roundSize {
			futures := make([]jetstream.PubAckFuture, batchSize)
			for i := range futures {
				var err error
				futures[i], err = f.other.PublishAsync("P.T", data)
				must(b, err)
			}
			for _, future := range futures {
				select {
				case <-future.Ok():
				case err := <-future.Err():
					b.Fatal(err)
				}
			}
		}
	})
}

// The target is meant against a client that never waits for a batch.
func BenchmarkPublishStream(b *testing.B) {
	f := start(b, func(f *fixture) { f.stream.MaxMsgs, f.stream.Discard = 20_000, jetstream.DiscardOld })
	data := bytes.Repeat([]byte("x"), messageSize)
	batch := make([]messages.Message, batchSize)
	for i := range batch {
		batch[i].Data = data
	}
	compare(b, func() {}, func() {
		for range roundSize {
			_, err := f.Publish(b.Context(), f.topic, batch)
			must(b, err)
		}
	}, func() {
		for range roundSize * batchSize {
			_, err := f.other.PublishAsync("P.T", data, jetstream.WithStallWait(timeout))
			must(b, err)
		}
		<-f.other.PublishAsyncComplete()
	})
}

func BenchmarkPull(b *testing.B) {
	f := start(b)
	n := f.consume(b, "N", func(*jetstream.ConsumerConfig) {})
	data := string(bytes.Repeat([]byte("x"), messageSize))
	batch := slices.Repeat([]string{data}, batchSize)
	compare(b, func() {
		for range roundSize {
			f.publish(b, batch...)
		}
	}, func() {
		for range roundSize {
			got := f.pull(b, batchSize)
			must(b, f.Acknowledge(b.Context(), f.sub, deliveries(got)))
		}
	}, func() {
		for range roundSize {
			fetched, err := n.Fetch(batchSize)
			must(b, err)
			for m := range fetched.Messages() {
				must(b, m.Ack())
			}
			must(b, fetched.Error())
		}
	})
}
