package tokens

import "errors"

// ErrWouldWait is the error of NoWait: the credential cannot be decided at once.
var ErrWouldWait = errors.New("would have to wait")

// NoWait is the Gate of those who do not wait.
type NoWait struct{}

// Enter implements Gate.
func (NoWait) Enter(string) error { return ErrWouldWait }

// Leave implements Gate.
func (NoWait) Leave(string) {}
