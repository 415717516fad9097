// Package server is one running usher: it assembles the parts from a configuration,
// connects, serves metrics, probes and the management API, reloads directory and keyring,
// and drains at the end. usher serve, usher dev and tests use the same Server.
//
// New reads everything and connects nothing, so that a fault in a file is an error before
// anything runs. A reload that fails keeps the last good state.
package server
