// Package accounts makes and closes the accounts of projects in operator mode: keys,
// account JWT, push, the callout account's list of allowed accounts, keyring. One
// account holds one project, so that the account is the wall around it.
//
// It promises that Open and Close can be interrupted after every step: what was done
// is in keyring.yaml and with the servers, either of them called again goes on with
// it, and each undoes the other. An account that was not made by Open is never
// touched. Nobody is let into an account before every server and every usher has it;
// and from the first step of Close that is reported as done, nobody is.
//
// It knows nothing of flags, and nothing of the directory: whoever calls it adds the
// project after Open, and Close has it removed at the right moment.
package accounts
