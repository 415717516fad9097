package servers_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// rawConnect connects with a key and without a client library, which would cost more than
// the connection.
func rawConnect(addr, key string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	c, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := rawHandshake(c, key); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func rawHandshake(c net.Conn, key string) error {
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	if _, err := fmt.Fprintf(c, "CONNECT {\"verbose\":false,\"auth_token\":%q,\"lang\":\"raw\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n", key); err != nil {
		return err
	}
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "PONG"):
			return c.SetDeadline(time.Time{})
		case strings.HasPrefix(line, "-ERR"):
			return errors.New(line)
		}
	}
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
