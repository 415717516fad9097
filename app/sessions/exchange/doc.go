// Package exchange shares the registry of live sessions between the replicas of usher, over
// NATS, and tells each replica which others live and by which state they decide.
//
// Everything is sent below "usher.sessions." in the callout account. usher is the only user
// of that account: nobody else can publish there, and so nobody else can forge a session or
// a replica. On a connection that is in another account, nothing is sent and nothing that
// arrives is believed. What arrives is only ever a view: it lets nobody in.
//
// Each message has the number of the last change of its sender, so that a lost message is
// noticed at the next one, or at the next heartbeat, and the rest is asked for. A replica
// that starts asks another one for all sessions. Clocks of two machines are never compared
// but for which of two grants of one connection is the later one.
//
// It promises to start and to serve while no server can be reached, to hold back nobody on
// the way of a request, and to need bounded memory besides that of the registry.
package exchange
