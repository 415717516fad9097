package bundle

import (
	"time"

	"usher/issuer"
)

// Key is a key of the keyring without its secret.
type Key struct {
	Kind     string    `json:"kind"`
	Public   string    `json:"public_key"`
	Account  string    `json:"account,omitempty"`
	Scope    string    `json:"scope,omitempty"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Modified time.Time `json:"modified"`
	Program  bool      `json:"signs_with_program"`
}

// Keys describes the keys of a keyring.
func Keys(k *issuer.Keyring) []Key {
	var all []Key
	for _, x := range k.Keys() {
		all = append(all, Key{
			Kind: x.Kind, Public: x.PublicKey, Account: x.Account, Scope: x.Scope, State: string(x.State),
			Since: x.Since, Modified: x.Modified, Program: len(x.Command) > 0,
		})
	}
	return all
}
