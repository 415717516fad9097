package permissions

// addIngest adds the rules of a client that publishes events. They are those of Chef
// Automate's event gateway, except that the gateway lets a client subscribe to
// everything (docs/reference/divergences.md). They include the shared inbox, because NATS
// Streaming clients cannot set a prefix. Without streaming only the events remain: a
// supervisor that publishes them over core NATS subscribes to nothing.
func addIngest(b *builder, streaming bool) {
	o := Origin{Source: SourceProfile, Role: profileIngest}
	b.allow(Publish, "habitat.event.*", o)
	if !streaming {
		return
	}
	for _, s := range []string{
		"_INBOX.>", "_HB.>",
		"_STAN.discover.event-service", "_STAN.discover.event-service.*",
		"_STAN.pub.*.habitat", "_STAN.close.*",
	} {
		b.allow(Publish, s, o)
	}
	for _, s := range []string{
		"_INBOX.>", "_STAN.acks.>", "_HB.>", "_STAN.discover.event-service.*",
	} {
		b.allow(Subscribe, s, o)
	}
}

// addHealthCheck adds the rules of usher's own health check, which sends messages to
// itself. It has a private inbox, because usher's client can set a prefix.
func addHealthCheck(b *builder, inbox string) {
	o := Origin{Source: SourceProfile, Role: profileHealthCheck}
	b.both(inbox+".>", o)
	b.both("healthcheck.>", o)
}

// addService adds the rules of usher's own connections into the account of a project: all of
// it, as of a service_admin, because usher keeps the streams of the projects and publishes to
// their topics, which are any subjects of the account.
func addService(b *builder) {
	b.both(">", Origin{Source: SourceProfile, Role: profileService})
}
