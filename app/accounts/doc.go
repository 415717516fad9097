// Package accounts creates and closes the accounts of projects in operator mode: keys,
// account JWT, push, the callout account's list of allowed accounts, keyring. An account
// has one project, so that the account isolates the project.
//
// It promises that Open and Close can be interrupted after every step. The progress is
// in keyring.yaml and on the servers, so a second call continues, and each of the two
// undoes the other. Accounts that Open did not create are never changed. No client can
// connect to an account before every server and every usher has it, and none after Close
// has reported its first step.
//
// It never changes the directory: the caller adds the project after Open, and Close
// calls Remove at the right time.
package accounts
