// Package auditstream stores lines of the audit in a JetStream stream.
//
// It promises that a line which it has taken is stored at least once, in the order of the
// writer as far as JetStream lets it, and that a line which is stored twice has the same
// Nats-Msg-Id. Lines wait in memory while JetStream is away, and then in a spool file if
// there is one. Both are bounded: when they are full, Write waits, and the audit in front
// of it loses and counts events. A process that is killed loses what waits in memory.
//
// It makes the stream if there is none. It never changes or deletes one.
package auditstream
