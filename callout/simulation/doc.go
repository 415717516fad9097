// Package simulation tests admission and congestion control together: its tests
// simulate connect storms in virtual time, without NATS, goroutines or sleeping.
//
// The simulated parts are a server, its clients, and the time that everything
// takes; the queue and the window of answers are the real ones. It has no other
// code than its tests.
package simulation
