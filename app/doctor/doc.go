// Package doctor finds what the machine does to usher: its limits of files, processes and
// memory, the space on its disks, its ports, the way to the servers, and its clock.
//
// It complements package checkup, which looks at the installation, and repeats nothing of
// it. It returns findings, and facts for a bug report (package bundle writes it). It is
// read-only: it opens connections, listens on a port for a moment to see whether it is
// free, and changes nothing. What it cannot learn on a system it leaves out.
package doctor
