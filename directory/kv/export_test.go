package kv

// Turns is turns, for tests.
type Turns = turns

// For tests.
var (
	Encode = encode
	Decode = new(decoder).decode
	Sweep  = (*Store).sweep

	TurnAsked  = (*turns).asked
	TurnMade   = (*turns).made
	TurnBefore = (*turns).before
)
