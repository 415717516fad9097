package issuer

import (
	"cmp"
	"slices"
	"time"
)

// What a key of the keyring is for.
const (
	KindIssuer  = "issuer"      // config mode: an account key that signs user JWTs and responses
	KindSigning = "signing_key" // operator mode: a signing key of an account
	KindXKey    = "xkey"        // a curve key that opens requests and seals answers
)

// KeyState says where in its life a key is.
type KeyState string

// The states of a key, in the order in which it goes through them. In config
// mode a server says which issuer it expects, so that every key but a retired
// one may answer; in operator mode the active key of an account signs.
const (
	StateNext     KeyState = "next"     // made, not in use yet
	StateActive   KeyState = "active"   // in use
	StateRetiring KeyState = "retiring" // its successor is in use; it still serves who asks for it
	StateRetired  KeyState = "retired"  // out of use for good
)

// Compare orders states as a key goes through them.
func (s KeyState) Compare(other KeyState) int {
	return cmp.Compare(slices.Index(KeyStates(), s), slices.Index(KeyStates(), other))
}

// KeyStates lists every state, in order.
func KeyStates() []KeyState {
	return []KeyState{StateNext, StateActive, StateRetiring, StateRetired}
}

// Key describes one key of a keyring, without its secret.
type Key struct {
	Kind      string
	PublicKey string
	Account   string // operator mode: name of the account that a signing key belongs to
	Scope     string // of a scoped signing key: the name of its role in the account JWT
	State     KeyState
	File      string    // of its seed; empty: it signs elsewhere
	Command   []string  // that signs elsewhere
	Since     time.Time // when it came into its state, as far as that is known: else when its file was written
	Modified  time.Time // when the file was last written; the key's age counts from here
}

// Account is one NATS account of operator mode.
type Account struct {
	Name      string // what usher calls it
	PublicKey string // "A…"
	Project   string // the project that it was made for; empty: somebody else made it
}
