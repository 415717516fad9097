// Package checkup checks an installation of usher: its files, its addresses, and the live
// servers of its configuration.
//
// It returns findings (package finding): what was checked, where, the result with its
// severity, and how to mend an error. It knows neither flags nor exit codes; the command
// line and the API decide how to show findings.
//
// A checkup is read-only: it creates no bucket, writes no file that usher uses, and changes
// no server. To see what a server sends to usher, it connects as a client without a valid
// credential. A running usher denies this client and writes the denial to its audit log.
package checkup
