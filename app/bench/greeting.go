package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/nats-io/nats.go"
)

// What servers begin with.
const (
	infoStart = "INFO "
	httpStart = "HTTP/"
)

// The first byte of what a TLS server says first (RFC 8446 section 5.1).
const (
	tlsAlert     = 21
	tlsHandshake = 22 // and of what a client does
)

var (
	errNATS  = errors.New("NATS is spoken there, not WebSocket")
	errNoTLS = errors.New("there is no TLS there")
	errLater = errors.New("TLS begins later there: without the handshake first")
)

// greeting judges the first bytes that come from a server: whether it speaks
// what the URL says. secure is whether the client has begun with TLS, and wanted
// whether it wants it once the server has said INFO.
func greeting(sent []byte, kind Kind, secure, wanted bool) (failure, bool) {
	begins := func(start string) bool {
		n := min(len(start), len(sent))
		return string(sent[:n]) == start[:n]
	}
	line, _, whole := bytes.Cut(sent, []byte("\r\n"))
	line = line[:min(len(line), 64)]
	switch {
	case len(sent) == 0:
	case kind == TCP && secure: // it was to begin with TLS
		if sent[0] != tlsHandshake && sent[0] != tlsAlert {
			return failure{Protocol, fmt.Errorf("%w, it says %q", errLater, line)}, true
		}
	case kind == TCP && begins(infoStart):
		if wanted && whole && withoutTLS(sent) {
			return failureOf(nats.ErrSecureConnWanted), true
		}
	case kind == TCP && !begins(errorStart):
		return failure{Protocol, fmt.Errorf("it says %q, not INFO", line)}, true
	case kind == TCP:
	case begins(infoStart), begins(errorStart):
		return failure{Protocol, errNATS}, true
	case secure && sent[0] != tlsHandshake && sent[0] != tlsAlert:
		return failure{Protocol, fmt.Errorf("%w, it says %q", errNoTLS, line)}, true
	case secure:
	case !begins(httpStart):
		return failure{Protocol, fmt.Errorf("it says %q, not HTTP", line)}, true
	case whole:
		return upgraded(line)
	}
	return failure{}, false
}

// withoutTLS reports whether this INFO says that TLS is not spoken.
func withoutTLS(sent []byte) bool {
	line, _, _ := bytes.Cut(sent[len(infoStart):], []byte("\r\n"))
	var info struct {
		Required  bool `json:"tls_required"`
		Available bool `json:"tls_available"`
	}
	return json.Unmarshal(line, &info) == nil && !info.Required && !info.Available
}

// upgraded judges an HTTP status line.
func upgraded(line []byte) (failure, bool) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	text, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(text))
	if err == nil && status == http.StatusSwitchingProtocols {
		return failure{}, false
	}
	f := failure{Other, fmt.Errorf("no upgrade to WebSocket: %q", line)}
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUpgradeRequired:
		f.cause = Protocol
	}
	if status < http.StatusBadRequest {
		f.cause = Protocol
	}
	return f, true
}
