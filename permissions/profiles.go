package permissions

// ingest is the grant of a client that publishes events through the gateway,
// and nothing more. It follows Chef Automate's event gateway without its fault
// of subscribing to everything (docs/reference/divergences.md). The shared inbox is there
// because NATS Streaming clients cannot set a prefix.
func ingest(b *builder) {
	o := Origin{Source: SourceProfile, Role: profileIngest}
	for _, s := range []string{
		"_INBOX.>", "_HB.>",
		"_STAN.discover.event-service", "_STAN.discover.event-service.*",
		"_STAN.pub.*.habitat", "_STAN.close.*",
		"habitat.event.*",
	} {
		b.allow(Publish, s, o)
	}
	for _, s := range []string{
		"_INBOX.>", "_STAN.acks.>", "_HB.>", "_STAN.discover.event-service.*",
	} {
		b.allow(Subscribe, s, o)
	}
}

// healthCheck is the grant of usher's own health check: an echo to itself.
// Unlike the event gateway's it has a private inbox, because usher's own
// client can set a prefix.
func healthCheck(b *builder, inbox string) {
	o := Origin{Source: SourceProfile, Role: profileHealthCheck}
	b.both(inbox+".>", o)
	b.both("healthcheck.>", o)
}
