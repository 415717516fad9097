// Package keyusage counts which issuer, signing and xkeys nats-servers use, so
// that you know when a key can be retired. A Counter counts in one process. Each
// usher publishes its counts as a Report in its nats micro statistics, and
// Collect gathers the reports of all of them.
//
// It promises that counting takes no lock and allocates nothing once a key and a
// server are known, and that its memory is bounded whatever servers ask for. It
// never holds a seed.
package keyusage
