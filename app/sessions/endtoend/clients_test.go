package endtoend

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// order is what a client process is to do: one of the following.
type order struct {
	Connect *member        `json:"connect,omitempty"`
	Pause   *time.Duration `json:"pause,omitempty"` // how long clients wait before they connect again
}

// member is a connection that a client process makes.
type member struct {
	ID    int    `json:"id"`
	URL   string `json:"url"`
	Token string `json:"token"` // empty: anonymous
}

// event is what a client process reports. Processes of one machine have the same clock.
type event struct {
	ID   int       `json:"id"`
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	Err  string    `json:"err,omitempty"`
}

// The kinds of events.
const (
	connected    = "connected"
	disconnected = "disconnected"
	reconnected  = "reconnected"
	denied       = "denied" // the client gives up
	failed       = "failed" // an attempt that was not answered; the client tries again
)

// runClients is a client process: it carries out the orders that it reads from in, one JSON
// object a line, and reports what happens to its connections until in ends.
func runClients(in io.Reader, out io.Writer) error {
	r := &reporter{enc: json.NewEncoder(out)}
	var making sync.WaitGroup
	slots := make(chan struct{}, 16) // connects at once
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read an order: %w", err)
		}
		if o.Pause != nil {
			r.pause.Store(int64(*o.Pause))
			continue
		}
		slots <- struct{}{}
		making.Go(func() {
			defer func() { <-slots }()
			r.connect(*o.Connect)
		})
	}
	making.Wait()
	return errors.Join(lines.Err(), r.err)
}

// reporter writes events.
type reporter struct {
	pause atomic.Int64 // of order

	mu  sync.Mutex
	enc *json.Encoder
	err error
}

func (r *reporter) report(id int, kind string, err error) {
	e := event{ID: id, Kind: kind, At: time.Now()}
	if err != nil {
		e.Err = err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, r.enc.Encode(e))
}

func (r *reporter) connect(c member) {
	login := nats.Token(c.Token)
	if c.Token == "" {
		login = func(*nats.Options) error { return nil } // anonymous
	}
	d := &dialer{pause: &r.pause}
	var once sync.Once
	refuse := func(nc *nats.Conn, err error) { // nats.go reports an attempt in one of two ways
		if !errors.Is(err, nats.ErrAuthorization) {
			r.report(c.ID, failed, err)
			return
		}
		once.Do(func() {
			r.report(c.ID, denied, err)
			go nc.Close() // waits for the handler
		})
	}
	for {
		_, err := nats.Connect(c.URL, login, nats.SetCustomDialer(d), nats.Timeout(10*time.Second), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
			nats.ReconnectBufSize(-1), nats.DontRandomize(),
			nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { r.report(c.ID, disconnected, err) }),
			nats.ReconnectHandler(func(*nats.Conn) { r.report(c.ID, reconnected, nil) }),
			nats.ReconnectErrHandler(refuse),
			nats.ErrorHandler(func(nc *nats.Conn, _ *nats.Subscription, err error) { refuse(nc, err) }))
		switch {
		case err == nil:
			d.connected.Store(true)
			r.report(c.ID, connected, nil)
			return
		case errors.Is(err, nats.ErrAuthorization):
			r.report(c.ID, denied, err)
			return
		default:
			r.report(c.ID, failed, err)
		}
	}
}

// dialer is that of a client, which waits before it connects again.
type dialer struct {
	pause     *atomic.Int64
	connected atomic.Bool // once
}

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	if d.connected.Load() {
		<-time.After(time.Duration(d.pause.Load()))
	}
	direct := net.Dialer{Timeout: 10 * time.Second}
	return direct.Dial(network, address)
}

// isClientProcess reports whether this process is to be a client process.
func isClientProcess() bool { return os.Getenv(clientProcess) != "" }

// clientProcess is the environment variable that makes the test program a client process.
const clientProcess = "USHER_CLIENT_PROCESS"
