// Package servers is the connection to the system account: what the servers know about the
// sessions, and how a session is closed.
//
// Servers hears of each connect and disconnect by events. An event can be lost, so it
// compares: every two seconds the number of connections of each account on each server, and
// their lists when the numbers differ, after each reconnect and once a minute. A session that
// its server does not have is removed, and a connection that came by auth callout and that no
// usher knows is adopted.
//
// Kick and KickAll say that a connection is closed only if its server has said so. The user of
// the system account is optional: without one, every method says so (ErrNotConfigured).
//
// It never lets anybody in, and never reads what clients send.
package servers
