package issuer

import (
	"cmp"
	"slices"
	"time"
)

// The kinds of key in a keyring.
const (
	KindIssuer  = "issuer"      // config mode: an account key that signs user JWTs and responses
	KindSigning = "signing_key" // operator mode: a signing key of an account
	KindXKey    = "xkey"        // a curve key that opens requests and seals responses
)

// KeyState is the lifecycle state of a key.
type KeyState string

// The states of a key, in lifecycle order. In config mode a request names the
// issuer that its server expects, so every key except a retired one may answer. In
// operator mode the active key of an account signs.
const (
	StateNext     KeyState = "next"     // created, not in use yet
	StateActive   KeyState = "active"   // in use
	StateRetiring KeyState = "retiring" // replaced; still serves servers that ask for it
	StateRetired  KeyState = "retired"  // permanently out of use
)

// Compare orders states by lifecycle.
func (s KeyState) Compare(other KeyState) int {
	return cmp.Compare(slices.Index(KeyStates(), s), slices.Index(KeyStates(), other))
}

// KeyStates lists every state, in lifecycle order.
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
	File      string    // seed file; empty: an external program signs
	Command   []string  // the external program and its arguments
	Since     time.Time // when it entered its state; if unknown, when its file was written
	Modified  time.Time // when the file was last written; the key's age counts from then
}

// Account is one NATS account of operator mode.
type Account struct {
	Name      string // the name that usher uses
	PublicKey string // "A…"
	Project   string // the project that usher created it for; empty: usher did not create it
}
