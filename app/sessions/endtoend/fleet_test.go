package endtoend

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"usher/callout/callouttest"
)

// fleet is the clients of a test, in several processes.
type fleet struct {
	mu     sync.Mutex
	states map[int]*state
	inputs []*json.Encoder
	next   int
}

// state is what has happened to one client.
type state struct {
	up          bool
	ended       time.Time // of the first connection that ended since the last reset
	lastEnded   time.Time
	disconnects int
	denials     int
	failures    int // attempts without an answer
	firstError  string
	reconnects  int
}

// startFleet starts client processes. They end with the test.
func startFleet(t *testing.T, processes int) *fleet {
	t.Helper()
	f := &fleet{states: map[int]*state{}}
	program, err := os.Executable()
	callouttest.Must(t, err)
	for range processes {
		cmd := exec.CommandContext(t.Context(), program)
		cmd.Env = append(os.Environ(), clientProcess+"=1")
		in, err := cmd.StdinPipe()
		callouttest.Must(t, err)
		out, err := cmd.StdoutPipe()
		callouttest.Must(t, err)
		cmd.Stderr = t.Output()
		callouttest.Must(t, cmd.Start())
		f.inputs = append(f.inputs, json.NewEncoder(in))
		var reading sync.WaitGroup
		reading.Go(func() { f.read(out) })
		t.Cleanup(func() {
			_ = in.Close() // the process ends with its input
			_ = cmd.Process.Kill()
			reading.Wait()
			_ = cmd.Wait()
		})
	}
	return f
}

func (f *fleet) read(out io.Reader) {
	lines := json.NewDecoder(out)
	for {
		var e event
		if lines.Decode(&e) != nil {
			return
		}
		f.note(&e)
	}
}

func (f *fleet) note(e *event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[e.ID]
	if s == nil {
		return // forgotten
	}
	if e.Err != "" && s.firstError == "" {
		s.firstError = e.Err
	}
	switch e.Kind {
	case connected:
		s.up = true
	case reconnected:
		s.up = true
		s.reconnects++
	case disconnected:
		s.up = false
		s.disconnects++
		s.lastEnded = e.At
		if s.ended.IsZero() {
			s.ended = e.At
		}
	case denied:
		s.up = false
		s.denials++
	case failed:
		s.failures++
	}
}

// connect makes n connections and returns their ids. It does not wait for them.
func (f *fleet) connect(t *testing.T, n int, url, token string) []int {
	t.Helper()
	var ids []int
	for range n {
		f.mu.Lock()
		id := f.next
		f.next++
		f.states[id] = &state{}
		f.mu.Unlock()
		ids = append(ids, id)
		callouttest.Must(t, f.inputs[id%len(f.inputs)].Encode(order{Connect: &member{ID: id, URL: url, Token: token}}))
	}
	return ids
}

// pause sets how long clients wait before they connect again, from the next time on that
// they lose their connection.
func (f *fleet) pause(t *testing.T, wait time.Duration) {
	t.Helper()
	for _, in := range f.inputs {
		callouttest.Must(t, in.Encode(order{Pause: &wait}))
	}
}

// waitUp waits until all clients are connected.
func (f *fleet) waitUp(t *testing.T) {
	t.Helper()
	callouttest.EventuallyWithin(t, upTimeout, "all clients are connected", func() bool {
		why := ""
		if n := f.count(func(s *state) bool {
			if s.denials > 0 {
				why = s.firstError
			}
			return s.denials > 0
		}); n > 0 {
			t.Fatalf("%d clients were denied, and do not come back: %s", n, why)
		}
		return f.count(func(s *state) bool { return !s.up }) == 0
	})
}

const upTimeout = 3 * time.Minute

// count returns how many of all clients have a property.
func (f *fleet) count(is func(*state) bool) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.states {
		if is(s) {
			n++
		}
	}
	return n
}

// reset forgets what has happened.
func (f *fleet) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.states {
		*s = state{up: s.up}
	}
}

// of returns copies of the states of some clients.
func (f *fleet) of(ids []int) []state {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []state
	for _, id := range ids {
		out = append(out, *f.states[id])
	}
	return out
}

// forget takes clients out of the fleet that are not to come back.
func (f *fleet) forget(ids []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		delete(f.states, id)
	}
}

// has reports whether a client is still part of the fleet.
func (f *fleet) has(id int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.states[id] != nil
}
