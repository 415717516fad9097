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

// The first bytes of a NATS server, and of an HTTP server.
const (
	infoStart = "INFO "
	httpStart = "HTTP/"
)

// The content type of the first TLS record (RFC 8446 section 5.1).
const (
	tlsAlert     = 21
	tlsHandshake = 22 // also the first record of a client
)

var (
	errNATS     = errors.New("the server speaks NATS, not WebSocket")
	errNoTLS    = errors.New("the server does not use TLS")
	errTLSLater = errors.New("the server does not start with the TLS handshake")
)

// checkGreeting returns a failure if the first bytes of a server do not match the URL.
// secure reports whether the client has started the TLS handshake, and wantTLS whether it
// uses TLS after INFO.
func checkGreeting(sent []byte, kind Kind, secure, wantTLS bool) (failure, bool) {
	begins := func(start string) bool {
		n := min(len(start), len(sent))
		return string(sent[:n]) == start[:n]
	}
	line, _, complete := bytes.Cut(sent, []byte("\r\n"))
	line = line[:min(len(line), 64)]
	switch {
	case len(sent) == 0:
	case kind == TCP && secure: // the server must start with TLS
		if sent[0] != tlsHandshake && sent[0] != tlsAlert {
			return failure{Protocol, fmt.Errorf("%w: it sent %q", errTLSLater, line)}, true
		}
	case kind == TCP && begins(infoStart):
		if wantTLS && complete && lacksTLS(sent) {
			return failureOf(nats.ErrSecureConnWanted), true
		}
	case kind == TCP && !begins(errorStart):
		return failure{Protocol, fmt.Errorf("the server sent %q, not INFO", line)}, true
	case kind == TCP:
	case begins(infoStart), begins(errorStart):
		return failure{Protocol, errNATS}, true
	case secure && sent[0] != tlsHandshake && sent[0] != tlsAlert:
		return failure{Protocol, fmt.Errorf("%w: it sent %q", errNoTLS, line)}, true
	case secure:
	case !begins(httpStart):
		return failure{Protocol, fmt.Errorf("the server sent %q, not HTTP", line)}, true
	case complete:
		return checkUpgrade(line)
	}
	return failure{}, false
}

// lacksTLS reports whether INFO says that the server does not use TLS.
func lacksTLS(sent []byte) bool {
	line, _, _ := bytes.Cut(sent[len(infoStart):], []byte("\r\n"))
	var info struct {
		Required  bool `json:"tls_required"`
		Available bool `json:"tls_available"`
	}
	return json.Unmarshal(line, &info) == nil && !info.Required && !info.Available
}

// checkUpgrade returns a failure if an HTTP status line is not a WebSocket upgrade.
func checkUpgrade(line []byte) (failure, bool) {
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
