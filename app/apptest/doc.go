// Package apptest provides installations of usher for tests: their files on free ports, a
// collector of traces,
// configurations for the servers of package callouttest, and connections that tolerate a
// slow machine. Only tests import it.
package apptest
