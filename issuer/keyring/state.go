package keyring

import (
	"time"

	"usher/issuer"
)

// StateFile is the name of the file in a keyring directory that says what each
// key is for.
const StateFile = "keyring.yaml"

// State is what keyring.yaml says. A config-mode keyring can do without one: all
// its keys are active then.
type State struct {
	Accounts []issuer.Account // operator mode
	Keys     []Entry
	Rotation *Rotation // the one under way; nil: none
}

// Entry is one key of the state.
type Entry struct {
	PublicKey string
	Kind      string
	Account   string // operator mode: name of the account of a signing key
	Scope     string // of a scoped signing key
	File      string // of its seed, in the directory; empty: Command signs
	Command   []string
	State     issuer.KeyState
	Since     time.Time // when it came into its state
	// Unlisted: ReadState found the seed, and keyring.yaml does not name it. Nothing
	// is unlisted where there is no keyring.yaml, nor once it is saved.
	Unlisted bool
}

// Step is how far a rotation has come.
type Step string

// The steps of a rotation, in order. Each is written down when it is done.
const (
	StepAdd      Step = "add"      // the new key is in the keyring
	StepAnnounce Step = "announce" // the servers take the new key (operator mode: its account JWT has it)
	StepSwitch   Step = "switch"   // the new key is in use, the old one serves who still asks for it
	StepRetire   Step = "retire"   // the servers no longer take the old key
)

// Steps lists every step, in order.
func Steps() []Step { return []Step{StepAdd, StepAnnounce, StepSwitch, StepRetire} }

// Rotation is one rotation under way.
type Rotation struct {
	Kind    string
	Account string // operator mode: name of the account
	Scope   string // of a scoped signing key
	Old     string // public key
	New     string // public key
	Done    Step   // the last step that is done; empty: none
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

// Active returns the active entry of a kind and place, or nil.
func (s *State) Active(kind string, place issuer.Place) *Entry {
	for i := range s.Keys {
		e := &s.Keys[i]
		if e.Kind == kind && e.Account == place.Account && e.Scope == place.Scope && e.State == issuer.StateActive {
			return e
		}
	}
	return nil
}
