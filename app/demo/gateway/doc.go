// Package gateway is "usher dev --event-gateway": an event gateway as "usher init
// --event-gateway" writes it, in one process, with what stands around it in Chef Automate.
// These are supervisors that publish events, and the applications service that reads them.
//
// A first run creates the files; later runs use them again. It listens on loopback
// addresses only. When it ends, nothing that it started runs any more.
package gateway
