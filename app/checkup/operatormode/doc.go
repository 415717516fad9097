// Package operatormode checks what only operator mode has: the operator JWT, the account
// JWTs and the user JWTs, on disk and in force on the servers, and the signing keys of the
// keyring that belong to them.
//
// It appends what it finds to a [finding.List]. It changes no JWT and pushes nothing. It
// mints user JWTs to judge them as nats-server does, but sends none.
package operatormode
