package keyusage

import "time"

// Sessions says what one running usher knows of live sessions.
type Sessions struct {
	Live       int       `json:"live"`
	System     bool      `json:"system,omitempty"`     // it has a user of the system account
	NotReady   string    `json:"not_ready,omitempty"`  // why it cannot close sessions; empty: it can, or has no such user
	NotShared  string    `json:"not_shared,omitempty"` // why it does not share sessions; empty: it does
	Replicas   []string  `json:"replicas,omitempty"`   // instances of the others that it hears of
	Revision   uint64    `json:"revision,omitempty"`   // of the directory, in a bucket
	Directory  string    `json:"directory,omitempty"`  // digest of the directory file
	Identities string    `json:"identities,omitempty"` // digest of what decides what identities get
	Refused    []Refused `json:"refused,omitempty"`    // the last ones, latest first (bounded)
}

// Refused says for which reason servers did not accept user JWTs of an account.
type Refused struct {
	Account string    `json:"account"`
	Class   string    `json:"class"`
	Count   int       `json:"count"` // of the last ones
	First   time.Time `json:"first"` // of these
	Last    time.Time `json:"last"`
	Reason  string    `json:"reason,omitempty"` // of the last one, as its server says it
	Hint    string    `json:"hint,omitempty"`
	User    string    `json:"user,omitempty"` // of the last one

	RequestID string `json:"request_id,omitempty"`
	Server    string `json:"server,omitempty"`
}
