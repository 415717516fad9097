// Package streams keeps the JetStream streams and consumers of projects in step with the
// directory (projects.streams: managed): a project has a stream of its name in its account,
// which stores the subjects of its topics, and each subscription is a durable pull consumer.
//
// It promises to change only what it must: which subjects a stream stores, and the filter and
// AckWait of consumers. What an operator sets otherwise stays. It deletes no messages unless
// it is told to (Service.Remove), and touches no stream or consumer that belongs to neither a
// project nor a subscription. It never changes a stream or consumer of another form than it
// would make: that is a conflict, which says how to resolve it. Several ushers may do this at
// once.
package streams
