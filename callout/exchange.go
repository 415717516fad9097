package callout

import (
	"errors"
	"time"

	"github.com/nats-io/nats.go/micro"

	"usher/callout/ratelimit"
	"usher/issuer"
	"usher/permissions"
	"usher/tokens"
)

// exchange is one authorization request on its way to an answer. Each step adds what
// it finds; record reads all of it.
type exchange struct {
	id      string // request id
	steps   [numSteps]interval
	holding slots
	gate    gate

	replaced bool // its worker, because it waited for a slow verifier

	// receive
	message micro.Request
	conn    *conn // on which it was received
	arrival time.Time
	size    int64 // of the message, in bytes

	// open
	header     string   // the server's public xkey, or empty
	maxPayload int64    // of the connection
	request    *request // nil: the message is not a request
	credential tokens.Credential
	source     string // of its host, by which the queue is fair
	attempt    ratelimit.Attempt
	again      again

	// authenticate
	authenticated bool // it is known to come from the server that it names
	keys          *issuer.Keyring
	signers       *issuer.Signers // of the issuer that the server expects

	// verify, derive
	decision Decision

	// reserve
	reserved bool // a place in Limits, which has to be released

	// issue, seal
	answer  []byte // nil: not answered
	expires time.Time
}

// limit returns the maximum size of the answer in bytes.
func (x *exchange) limit() int { return int(min(x.maxPayload, permissions.MaxAnswer)) }

// end ends a request without an answer, and returns false. An answer that has been made
// is not sent.
func (x *exchange) end(o Outcome, code, cause string) bool {
	x.answer = nil
	x.decision.set(o, code, cause)
	return false
}

// endWith ends a request with an error of read, checkTimes or authenticate.
func (x *exchange) endWith(err error) bool {
	var f *refusal
	if !errors.As(err, &f) {
		return x.end(Unavailable, CodeInternal, err.Error())
	}
	return x.end(outcomeOf(f.code), f.code, f.cause)
}

// step is a step on the way of a request. tracing.StepNames has their names.
type step int

// The steps, in their order.
const (
	stepReceive step = iota
	stepAdmit        // open is part of it
	stepOpen
	stepAuthenticate
	stepVerify
	stepDerive
	stepIssue
	stepSeal
	stepRespond
	stepRecord
	numSteps
)

// interval is when a step began and ended; zero: it was not reached.
type interval struct{ start, end time.Time }

func (i interval) duration() time.Duration { return i.end.Sub(i.start) }

// took returns the duration of some steps.
func (x *exchange) took(steps ...step) (total time.Duration) {
	for _, n := range steps {
		total += x.steps[n].duration()
	}
	return total
}
