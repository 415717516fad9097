// Package congestion limits how many answers of one NATS connection are in
// flight, with a congestion window: sent, and not yet processed by the server. A server processes the
// messages of a connection in order, at two signature checks an answer. Answers
// that it has not reached wait in its buffers, where usher can no longer shed
// them, until all of them are too late. So usher sends only what the server
// processes within a target delay, and keeps the rest in its own queue.
//
// A request acquires a slot of the Window. If it is answered, it calls Sent, and
// otherwise Release. Another goroutine calls BeginFlush, flushes the connection and
// calls EndFlush, in a loop.
//
// A Window promises that its limit never falls below its minimum and that every
// slot is returned, also when the connection is lost. It sends nothing itself.
package congestion
