package main

import "context"

// messagesStep measures how fast messages go through JetStream in the way of the API, beside a
// client of nats.go on the same server.
func messagesStep() step {
	table := []benchRow{
		{row{"messages-publish", "messages, 100 of 1 KiB at a time, rate of publish to a nats.go client that waits for each batch", atLeast(0.8), "×"}, metric{"BenchmarkPublish", "x-nats", 1}},
		{row{"messages-stream", "the same, to a nats.go client that waits for none", atLeast(0.8), "×"}, metric{"BenchmarkPublishStream", "x-nats", 1}},
		{row{"messages-rate", "the same, messages per second", information(), ""}, metric{"BenchmarkPublishStream", "store-msg/s", 1}},
		{row{"messages-pull", "messages, 100 of 1 KiB at a time, rate of pull and confirmed acknowledgement to nats.go's fetch and unconfirmed", atLeast(0.5), "×"}, metric{"BenchmarkPull", "x-nats", 1}},
	}
	return step{part: "messages", name: "messages in JetStream", needs: []program{storeTest}, rows: rowsOf(table), run: func(ctx context.Context, r *runner) (figures, error) {
		return r.measureTable(ctx, storeTest, "^Benchmark(Publish|PublishStream|Pull)$", table)
	}}
}
