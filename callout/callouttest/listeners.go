package callouttest

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
)

// The cookies in which WebSocket clients can have their credential.
const (
	TokenCookie    = "nats_token"
	UserCookie     = "nats_user"
	PasswordCookie = "nats_password"
	JWTCookie      = "nats_jwt" // operator mode only
)

// listeners are the blocks of a server's configuration for clients of other transports
// than TCP.
type listeners struct {
	port      int // of TCP clients; the others follow
	ca        *CA
	verify    bool // clients need a certificate of ca
	cookies   bool
	jwtCookie bool
}

func (l listeners) webSocket(tb testing.TB) string {
	tb.Helper()
	options := "no_tls: true"
	if l.verify {
		options = l.ca.serverBlock(tb, true)
	}
	if l.cookies {
		options += fmt.Sprintf(", token_cookie: %s, user_cookie: %s, pass_cookie: %s", TokenCookie, UserCookie, PasswordCookie)
	}
	if l.jwtCookie {
		options += ", jwt_cookie: " + JWTCookie
	}
	return fmt.Sprintf("websocket { listen: \"127.0.0.1:%d\", %s }", l.port+1, options)
}

func (l listeners) mqtt(tb testing.TB) string {
	tb.Helper()
	return l.block(tb, "mqtt", l.port+2)
}

func (l listeners) leafNodes(tb testing.TB) string {
	tb.Helper()
	return l.block(tb, "leafnodes", l.port+3)
}

func (l listeners) block(tb testing.TB, name string, port int) string {
	tb.Helper()
	options := ""
	if l.verify {
		options = ", " + l.ca.serverBlock(tb, true)
	}
	return fmt.Sprintf("%s { listen: \"127.0.0.1:%d\"%s }", name, port, options)
}

// serverBlock is the tls block of a listener. verify: clients need a certificate of ca.
func (ca *CA) serverBlock(tb testing.TB, verify bool) string {
	tb.Helper()
	cert, key := ca.Issue(tb, "localhost")
	more := ""
	if verify {
		more = fmt.Sprintf(", ca_file: %q, verify: true", filepath.ToSlash(ca.File))
	}
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q%s }", filepath.ToSlash(cert), filepath.ToSlash(key), more)
}

// secure is the TLS of a client. certificate: it presents one, which names nobody.
func (ca *CA) secure(tb testing.TB, certificate bool) nats.Option {
	tb.Helper()
	cfg := ca.ClientTLS()
	if certificate {
		cfg.Certificates = []tls.Certificate{ca.Certificate(tb, nil).TLS()}
	}
	return nats.Secure(cfg)
}

func webSocketURL(port int, secure bool) string {
	if secure {
		return fmt.Sprintf("wss://127.0.0.1:%d", port)
	}
	return fmt.Sprintf("ws://127.0.0.1:%d", port)
}

func mqttURL(port int, secure bool) string {
	if secure {
		return fmt.Sprintf("ssl://127.0.0.1:%d", port)
	}
	return fmt.Sprintf("tcp://127.0.0.1:%d", port)
}
