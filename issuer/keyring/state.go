package keyring

import (
	"time"

	"usher/issuer"
)

// StateFile is the name of the file in a keyring directory that records the purpose of
// each key.
const StateFile = "keyring.yaml"

// State is the content of keyring.yaml. It is optional in config mode: without it all
// keys are active.
type State struct {
	Accounts []issuer.Account // operator mode
	Keys     []Entry
	Rotation *Rotation // the rotation in progress, or nil
}

// Entry is one key of the state.
type Entry struct {
	PublicKey string
	Kind      string
	Account   string // operator mode: name of the account of a signing key
	Scope     string // of a scoped signing key
	File      string // name of its seed file in the directory; empty: Command signs
	Command   []string
	State     issuer.KeyState
	Since     time.Time // when it entered its state
	// Unlisted: the seed file exists, and keyring.yaml does not list it. Without a
	// keyring.yaml no entry is unlisted.
	Unlisted bool
}

// Step is a step of a rotation.
type Step string

// The steps of a rotation, in order. Each is recorded when it is completed.
const (
	StepAdd      Step = "add"      // the new key is in the keyring
	StepAnnounce Step = "announce" // the servers accept the new key (operator mode: the account JWT has it)
	StepSwitch   Step = "switch"   // the new key is in use; the old key still serves servers that ask for it
	StepRetire   Step = "retire"   // the servers no longer accept the old key
)

// Steps lists every step, in order.
func Steps() []Step { return []Step{StepAdd, StepAnnounce, StepSwitch, StepRetire} }

// Rotation is a rotation in progress.
type Rotation struct {
	Kind    string
	Account string // operator mode: name of the account
	Scope   string // of a scoped signing key
	Old     string // public key
	New     string // public key
	Done    Step   // the last completed step; empty: none
	Started time.Time
}

// Entry returns the entry of a public key, or nil.
func (s *State) Entry(public string) *Entry {
	for i := range s.Keys {
		if s.Keys[i].PublicKey == public {
			return &s.Keys[i]
		}
	}
	return nil
}

// Active returns the active entry of a kind, account and scope, or nil.
func (s *State) Active(kind string, place issuer.Place) *Entry {
	for i := range s.Keys {
		e := &s.Keys[i]
		if e.Kind == kind && e.Account == place.Account && e.Scope == place.Scope && e.State == issuer.StateActive {
			return e
		}
	}
	return nil
}
