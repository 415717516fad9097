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

// httpStep measures messages over HTTP and pushes with a whole usher, beside clients without it
// on the same nats-server.
func httpStep() step {
	const (
		publish, waits, overlaps = "BenchmarkHTTPPublish", "BenchmarkHTTPPull/waits", "BenchmarkHTTPPull/overlaps"
		one, batch, latency      = "BenchmarkHTTPPush/one", "BenchmarkHTTPPush/batch", "BenchmarkHTTPLatency"
	)
	table := []benchRow{
		{row{"http-publish", "HTTP, 100 of 1 KiB at a time, rate of publish to a nats.go client that waits for none", atLeast(0.5), "×"}, metric{publish, "x", 1}},
		{row{"http-publish-rate", "HTTP, published messages per second", information(), ""}, metric{publish, "http-msg/s", 1}},
		{row{"http-pull", "HTTP, 100 at a time, rate of pull and acknowledgement to nats.go's fetch and unconfirmed", atLeast(0.5), "×"}, metric{overlaps, "x", 1}},
		{row{"http-pull-waits", "HTTP, by a client that acknowledges before it pulls again", information(), "×"}, metric{waits, "x", 1}},
		{row{"http-pull-rate", "HTTP, pulled messages per second", information(), ""}, metric{overlaps, "http-msg/s", 1}},
		{row{"push", "push, one message in a request, rate to a bare HTTP client with as many connections", atLeast(0.5), "×"}, metric{one, "x", 1}},
		{row{"push-rate", "push, messages per second, one in a request", information(), ""}, metric{one, "http-msg/s", 1}},
		{row{"push-batch", "push, 100 messages in a request, rate to a bare HTTP client", atLeast(0.5), "×"}, metric{batch, "x", 1}},
		{row{"push-batch-rate", "push, messages per second, 100 in a request", information(), ""}, metric{batch, "http-msg/s", 1}},
		{row{"http-p99", "HTTP, p99 of a publish with 64 clients to that of 64 nats.go clients", information(), "×"}, metric{latency, "x-nats", 1}},
		{row{"http-p99-one", "HTTP, p99 of a publish with 64 clients to that with one", information(), "×"}, metric{latency, "x-one", 1}},
		{row{"http-p99-ms", "HTTP, p99 of a publish with 64 clients", information(), "ms"}, metric{latency, "ms-p99", 1}},
	}
	return step{part: "http", name: "messages over HTTP", needs: []program{messagesTest}, rows: rowsOf(table), run: func(ctx context.Context, r *runner) (figures, error) {
		return r.measureTable(ctx, messagesTest, "^BenchmarkHTTP", table)
	}}
}

// idlePushStep measures what push subscriptions cost that have nothing to push.
func idlePushStep() step {
	table := []benchRow{
		{row{"push-idle", "1,000 idle push subscriptions, memory of usher and nats-server", atMost(50), "MiB"}, metric{"BenchmarkIdle", "MiB", 1}},
	}
	return step{part: "http", name: "idle pushes", needs: []program{pushTest}, rows: rowsOf(table), run: func(ctx context.Context, r *runner) (figures, error) {
		return r.measureTable(ctx, pushTest, "^BenchmarkIdle$", table)
	}}
}
