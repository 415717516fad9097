package servers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/callout/callouttest"
	"usher/callout/session"
)

// rawConnect connects with a credential, such as "auth_token":"key", and without a client
// library, which would cost more than the connection. hello gets the id that the connection
// has, before it is authorized; it may be nil.
func rawConnect(addr, credential string, hello func(session.ID)) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	c, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := rawHandshake(c, credential, hello); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func rawHandshake(c net.Conn, credential string, hello func(session.ID)) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		info, isInfo := strings.CutPrefix(line, "INFO ")
		switch {
		case isInfo && hello != nil:
			var id struct {
				Server string `json:"server_id"`
				Client uint64 `json:"client_id"`
			}
			if err := json.Unmarshal([]byte(info), &id); err != nil {
				return err
			}
			hello(session.ID{Server: id.Server, Client: id.Client})
			hello = nil
			fallthrough
		case isInfo:
			if _, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false,%s,\"lang\":\"raw\",\"version\":\"1\",\"protocol\":0}\r\nPING\r\n", credential); err != nil {
				return err
			}
		case strings.HasPrefix(line, "PONG"):
			return c.SetDeadline(time.Time{})
		case strings.HasPrefix(line, "-ERR"):
			return errors.New(line)
		}
	}
}

func withKey(key string) string { return fmt.Sprintf("\"auth_token\":%q", key) }

func asAdmin() string {
	return fmt.Sprintf("\"user\":%q,\"pass\":%q", callouttest.AdminUser, callouttest.Password)
}

// lossy is a dialer whose connections lose messages, and can be cut.
type lossy struct {
	lose atomic.Pointer[func(subject string) bool] // nil: none
	cut  atomic.Bool                               // no connection at all
	last atomic.Pointer[lossyConn]
	lost atomic.Int64
}

// Dial implements nats.CustomDialer.
func (l *lossy) Dial(network, address string) (net.Conn, error) {
	if l.cut.Load() {
		return nil, errors.New("cut")
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	c, err := dialer.Dial(network, address)
	if err != nil {
		return nil, err
	}
	out := &lossyConn{Conn: c, of: l, in: bufio.NewReader(c)}
	l.last.Store(out)
	return out, nil
}

func (l *lossy) loseIf(f func(subject string) bool) { l.lose.Store(&f) }

// disconnect cuts the connection until reconnect.
func (l *lossy) disconnect() {
	l.cut.Store(true)
	_ = l.last.Load().Close() // it may have ended by itself
}

func (l *lossy) reconnect() { l.cut.Store(false) }

type lossyConn struct {
	net.Conn
	of  *lossy
	in  *bufio.Reader
	out bytes.Buffer
}

// Read implements net.Conn.
func (c *lossyConn) Read(p []byte) (int, error) {
	for c.out.Len() == 0 {
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(line))
		if len(fields) < 4 || fields[0] != "MSG" && fields[0] != "HMSG" {
			c.out.Write(line)
			break
		}
		size, err := strconv.Atoi(fields[len(fields)-1])
		if err != nil {
			return 0, err
		}
		payload := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(c.in, payload); err != nil {
			return 0, err
		}
		if lose := c.of.lose.Load(); lose != nil && (*lose)(fields[1]) {
			c.of.lost.Add(1)
			continue
		}
		c.out.Write(line)
		c.out.Write(payload)
	}
	return c.out.Read(p)
}

// isEvent reports whether a subject is that of a connect or a disconnect.
func isEvent(subject string) bool { return strings.HasPrefix(subject, "$SYS.ACCOUNT.") }

// closeAll closes connections when the test ends.
func closeAll(t *testing.T, conns []net.Conn) {
	t.Helper()
	t.Cleanup(func() {
		for _, c := range conns {
			_ = c.Close() // the server may have
		}
	})
}
