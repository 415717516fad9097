package kv

// Turns is turns, for tests.
type Turns = turns

// Queue is queue, for tests.
type Queue = queue

// Waiting is how many changes of a store wait for their turn.
func Waiting(s *Store) int { return s.writing.length() }

// For tests.
var (
	Encode = encode
	SizeOf = sizeOf
	Decode = new(decoder).decode
	Sweep  = (*Store).sweep

	QueueEnter  = (*queue).enter
	QueuePass   = (*queue).pass
	QueueLeave  = (*queue).leave
	QueueLength = (*queue).length

	TurnAsked  = (*turns).asked
	TurnMade   = (*turns).made
	TurnBefore = (*turns).before
)
