// Package bench implements "usher bench", which measures how fast clients connect to a
// live nats-server.
//
// It promises that an interrupted run prints what it measured, and that the exit code and
// a hint report failed connects. It never connects to an address that is not loopback
// without --allow-remote, and never takes a token from the command line.
package bench
