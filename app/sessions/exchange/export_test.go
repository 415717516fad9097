package exchange

import (
	"context"
	"log/slog"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/nats-io/nats.go"

	"usher/app/sessions"
	"usher/callout/session"
)

// Kill ends a replica without a word to the others.
func (x *Exchange) Kill() {
	x.nc.Close()
	x.stop()
	x.loops.Wait()
}

// Full makes the subscription drop what arrives until release is called, as one does whose
// reader is too slow.
func (x *Exchange) Full() (release func(), err error) {
	x.taking.Lock()
	return x.taking.Unlock, x.all.SetPendingLimits(1, -1)
}

// The subjects, for a client that forges messages.
const (
	SubjectAll = subjectAll
	SubjectTo  = subjectTo
	SubjectWho = subjectWho
)

// Forget drops the sent messages that are kept for those who missed them.
func (x *Exchange) Forget() {
	x.flush()
	x.outgoing.mu.Lock()
	defer x.outgoing.mu.Unlock()
	x.outgoing.kept, x.outgoing.keptSize = nil, 0
}

// Flush sends what waits.
func (x *Exchange) Flush() { x.flush() }

// NewForFuzzing returns an Exchange that has no connection and takes all messages.
func NewForFuzzing(r *sessions.Registry) (*Exchange, error) {
	x, err := New(Config{Registry: r, Instance: "r0", Keys: fuzzKeys{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		x.nc = &nats.Conn{}
		x.access.set(true, nil)
	}
	return x, err
}

// fuzzKeys has one secret.
type fuzzKeys struct{}

func (fuzzKeys) Seal(context.Context) ([]byte, error) { return []byte("k"), nil }
func (fuzzKeys) Open(context.Context) [][]byte        { return [][]byte{[]byte("k")} }

// Seal returns a message with its code.
func Seal(key []byte, subject, reply string, data []byte) []byte {
	return append(data[:len(data):len(data)], mac(key, subject, reply, data)...)
}

// Receive takes a message to all.
func (x *Exchange) Receive(data []byte) {
	x.receive(&nats.Msg{Data: Seal([]byte("k"), subjectAll, "", data)})
}

// Answer answers a request, and takes the same bytes for an answer.
func (x *Exchange) Answer(data []byte) {
	x.answer(&nats.Msg{Subject: subjectTo + "r0", Data: Seal([]byte("k"), subjectTo+"r0", "", data)})
	var p page
	if err := decode(x.mode, data, &p); err == nil {
		_ = x.takePage(&p)
	}
}

// Beat returns a heartbeat of another replica, which has sent so many changes.
func Beat(name string, sequence uint64) ([]byte, error) {
	return cbor.Marshal(&message{From: name, Sequence: sequence, Beat: &beat{}})
}

// Page returns the answer of another replica to a request for its changes: it has granted
// a session in one message.
func Page(name string, granted *session.Session) ([]byte, error) {
	data, err := sessions.Encode([]*session.Session{granted}, 1<<20)
	if err != nil {
		return nil, err
	}
	c, err := cbor.Marshal(&changes{Added: data[0]})
	if err != nil {
		return nil, err
	}
	m, err := cbor.Marshal(&message{From: name, Sequence: 1, Changes: c})
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(&page{Last: true, Messages: [][]byte{m}, Count: 1, Total: 1, Seen: map[string]uint64{name: 1}})
}
