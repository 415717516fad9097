// Package bench measures how fast and how reliably clients connect to a live nats-server,
// and so how its auth callout performs.
//
// A Storm is many clients that connect at once, each of which retries until it is
// connected, as applications do after an outage. A Connect is single connects at a steady
// rate. Both use nats.go with its defaults, so they behave like applications.
//
// It promises to connect to loopback addresses only, unless the Target allows others. It
// never connects to servers that a server advertises, and never writes a file: its
// measurements stay in memory.
package bench
