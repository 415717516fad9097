package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	probeLimit = 5 * time.Second // of one connection
	infoWait   = 2 * time.Second // for INFO before TLS
	maxInfo    = 64 << 10        // bytes of a line; nats-server sends less
)

// What a port may be other than what was asked for.
var (
	errNoTLS  = errors.New("it sends INFO without TLS")
	errNotTLS = errors.New("it does not speak TLS")
	errNoInfo = errors.New("it does not send INFO, as a nats-server does")
)

// serverInfo is the part of INFO that usher check uses.
type serverInfo struct {
	Name        string `json:"server_name"`
	Version     string `json:"version"`
	Gateway     string `json:"gateway"` // on the port of a gateway alone
	TLSRequired bool   `json:"tls_required"`
}

// connection is one connection to a port.
type connection struct {
	address   string
	infoFirst bool // INFO comes before TLS: a port for clients
	name      string
	pair      *tls.Certificate // nil: none
	oldest    uint16           // TLS versions
	newest    uint16
	mute      bool // nothing is read after the handshake
}

// outcome is how far a connection came.
type outcome struct {
	unreachable error               // there was no connection
	info        *serverInfo         // nil: none was sent
	chain       []*x509.Certificate // that it presents; nil: the handshake did not come that far
	version     uint16              // of TLS, if it presents a chain
	asked       bool                // it asks for a certificate
	shook       bool                // the handshake succeeded here; with TLS 1.3 the peer may refuse it yet
	err         error               // why it ended; nil: INFO was read, and the handshake is complete
}

// refused reports whether the peer refused the certificate, or that there is none. With
// TLS 1.2 the handshake fails, with 1.3 the first read.
func (o *outcome) refused() bool {
	if o.chain == nil || !o.asked || o.err == nil || o.silent() {
		return false
	}
	return !errors.Is(o.err, errNoInfo)
}

// silent reports whether the peer did not answer in time.
func (o *outcome) silent() bool {
	return errors.Is(o.err, os.ErrDeadlineExceeded) || errors.Is(o.err, context.DeadlineExceeded)
}

// open connects, reads INFO and makes a handshake, in the order of the port, and closes the
// connection. It accepts any certificate, for its caller to judge, and sends nothing.
func (c *connection) open(ctx context.Context) (o outcome) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", c.address)
	if err != nil {
		o.unreachable, o.err = err, err
		return o
	}
	defer raw.Close() //nolint:errcheck // nothing was written
	deadline, _ := ctx.Deadline()
	if o.err = raw.SetDeadline(deadline); o.err != nil {
		return o
	}
	conn := &buffered{raw, bufio.NewReaderSize(raw, maxInfo)}
	if c.infoFirst {
		o.info, o.err = earlyInfo(conn, deadline)
		if o.err != nil || o.info != nil && !o.info.TLSRequired {
			return o
		}
	}
	secured := tls.Client(conn, c.config(&o))
	if o.err = secured.HandshakeContext(ctx); o.err != nil {
		o.err = notTLS(o.err)
		return o
	}
	o.shook = true
	if o.info == nil && !c.mute {
		o.info, o.err = readInfo(bufio.NewReaderSize(secured, maxInfo))
	}
	return o
}

// config returns the configuration of a handshake that writes what it sees into o.
func (c *connection) config(o *outcome) *tls.Config {
	return &tls.Config{
		ServerName: c.name, MinVersion: c.oldest, MaxVersion: c.newest,
		InsecureSkipVerify: true, //nolint:gosec // the caller judges the certificate, and nothing secret is sent
		VerifyConnection: func(s tls.ConnectionState) error {
			o.chain, o.version = s.PeerCertificates, s.Version
			return nil
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			o.asked = true
			if c.pair != nil {
				return c.pair, nil
			}
			return &tls.Certificate{}, nil
		},
	}
}

// buffered is a connection from which a line was read.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

// Read implements net.Conn.
func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

// earlyInfo reads the INFO before TLS; nil: the server waits for the handshake
// (handshake_first).
func earlyInfo(conn *buffered, deadline time.Time) (*serverInfo, error) {
	early := deadline.Add(infoWait - probeLimit)
	if err := conn.SetReadDeadline(early); err != nil {
		return nil, err
	}
	info, err := readInfo(conn.r)
	if errors.Is(err, os.ErrDeadlineExceeded) && conn.r.Buffered() == 0 {
		return nil, conn.SetReadDeadline(deadline)
	}
	if err != nil {
		return nil, err
	}
	return info, conn.SetReadDeadline(deadline)
}

// readInfo reads the first line of a server.
func readInfo(r *bufio.Reader) (*serverInfo, error) {
	line, err := r.ReadSlice('\n')
	text, isInfo := bytes.CutPrefix(line, []byte("INFO "))
	info := &serverInfo{}
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("%w: its first line is longer than %d bytes", errNoInfo, maxInfo)
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil, fmt.Errorf("it closes the connection: %w", err)
	case err != nil:
		return nil, err
	case !isInfo || json.Unmarshal(text, info) != nil:
		return nil, errNoInfo
	}
	return info, nil
}

// notTLS tells from the error of a handshake whether the peer sent something else.
func notTLS(err error) error {
	var header tls.RecordHeaderError
	switch {
	case !errors.As(err, &header):
		return err
	case bytes.HasPrefix(header.RecordHeader[:], []byte("INFO")):
		return errNoTLS
	default:
		return errNotTLS
	}
}
