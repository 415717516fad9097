package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"
)

// errClosed: Close was called.
var errClosed = errors.New("the connection is closed")

// Publish sends an event and waits for the server's answer, which comes because the
// connection is verbose. An error that is ErrRefused leaves the connection open if the
// server does. A supervisor itself does not look at the answer.
func (c *Client) Publish(subject string, payload []byte) error {
	if strings.ContainsAny(subject, " \t\r\n") || subject == "" {
		return fmt.Errorf("%q is not a subject", subject)
	}
	c.publishing.Lock()
	defer c.publishing.Unlock()
	if err := c.send(fmt.Sprintf("PUB %s %d\r\n%s\r\n", subject, len(payload), payload)); err != nil {
		return c.fail(err)
	}
	timeout := time.NewTimer(Within)
	defer timeout.Stop()
	select {
	case line := <-c.answers:
		if text, bad := refusal(line); bad {
			return fmt.Errorf("%w: %s", ErrRefused, text)
		}
		return nil
	case <-c.ended:
		return c.Err()
	case <-timeout.C:
		// A late answer would be taken for that of the next event.
		return c.fail(errors.New("the server does not answer"))
	}
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.ended }

// Err returns why the connection has ended. It is nil before.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Close ends the connection and waits until nothing of it runs.
func (c *Client) Close() error {
	_ = c.fail(errClosed)
	<-c.ended
	return nil
}

// fail ends the connection with a cause, unless it has one, and returns the cause.
func (c *Client) fail(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
	}
	_ = c.conn.Close() // the reader ends
	return c.cause
}

// send writes text within the time that a supervisor gives it.
func (c *Client) send(text string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(Within)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := c.conn.Write([]byte(text)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// read answers PINGs and passes the answers on, until the connection ends.
func (c *Client) read(in *bufio.Reader) {
	defer close(c.ended)
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		switch text, bad := refusal(line); {
		case err != nil:
			_ = c.fail(fmt.Errorf("the connection ended: %w", err))
			return
		case line == "PING":
			err = c.send("PONG\r\n")
		case bad && !strings.HasPrefix(text, "Permissions Violation"):
			err = fmt.Errorf("%w: %s", ErrRefused, text) // nats-server closes the connection
		case bad, line == "+OK":
			select {
			case c.answers <- line:
			default:
				err = errors.New("the server answered twice")
			}
		}
		if err != nil {
			_ = c.fail(err)
			return
		}
	}
}
