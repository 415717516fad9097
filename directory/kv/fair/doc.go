// Package fair keeps one writer of a directory from starving the others: Queue
// orders the changes of one process, and Tickets order the writers of all replicas.
//
// It promises that a change waits for at most one change of each other flow in its
// own process, and that a writer which holds a ticket goes before all that hold none
// or a later one. A ticket that its holder abandons expires. The package does no I/O
// and reads no clock.
package fair
