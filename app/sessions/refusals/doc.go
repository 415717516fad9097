// Package refusals notices that a server did not accept a user JWT that usher has issued: its
// account does not exist there, a limit of the account is reached, or the server's clock is
// another one. So "granted" is not the last word about a connection.
//
// The servers say in the callout account which connection they did not let in, and why. They
// say the same about connections that usher has denied, which are left out. Only the replica
// that granted a connection reports its refusal. The package decides nothing, and is no way
// in: in the callout account there is nobody but usher.
package refusals
