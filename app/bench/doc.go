// Package bench measures how clients come in through a live nats-server, and so
// how fast and how surely its auth callout is answered.
//
// A Storm is many clients at once, each of which tries until it is in, as
// applications do after an outage. A Connect is single connects at a steady rate.
// Both use nats.go with its defaults, so that they meet what applications meet.
//
// It connects to loopback addresses only, unless the Target says otherwise, and
// never to servers that others advertise. It keeps what it measured in memory and
// writes nothing.
package bench
