package config

import (
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"usher/internal/secret"
	"usher/internal/strictyaml"
)

// misplaced refuses a secret that stands where what belongs. The message does
// not quote it.
func misplaced(text, what string) (message, hint string) {
	if secret.Detect(text) {
		return "looks like a secret, found where " + what + " belongs", secret.Hint
	}
	return "", ""
}

func name(text string) (message, hint string) {
	if message, hint = misplaced(text, "a name"); message != "" {
		return message, hint
	}
	return line(text)
}

func line(text string) (message, hint string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "holds a line break or another control character", ""
	}
	return "", ""
}

func path(text string) (message, hint string) {
	if message, hint = misplaced(text, "a path"); message != "" {
		return message, hint
	}
	if text == "~" || strings.HasPrefix(text, "~/") {
		return "a path begins with ~, which only a shell understands", "write the directory out"
	}
	return line(text)
}

func hostName(text string) (message, hint string) {
	if message, hint = misplaced(text, "a host name"); message != "" {
		return message, hint
	}
	if !isHost(text) {
		return "expected a host name or IP address, found " + secret.Quote(text), ""
	}
	return "", ""
}

func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func listen(text string) (message, hint string) {
	const way = "write 127.0.0.1:9778, or :9778 for every address of the machine"
	if message, hint = misplaced(text, "an address"); message != "" {
		return message, hint
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host != "" && !isHost(host) {
		return "expected host:port, found " + secret.Quote(text), way
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "expected a port from 0 to 65535, found " + secret.Quote(port), way
	}
	return "", ""
}

// isLoopback reports whether only this machine reaches an address, whose form was
// checked.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func natsURLs(v reflect.Value, _ string) []fault {
	if v.Len() == 0 {
		return when(true, "must not be empty", "leave the key out for its default")
	}
	var faults []fault
	for i := range v.Len() {
		at := strictyaml.IndexPath("", i)
		if message, hint := natsURL(v.Index(i).String()); message != "" {
			faults = append(faults, fault{at: at, message: message, hint: hint})
		} else if isWebSocket(v.Index(i).String()) != isWebSocket(v.Index(0).String()) && len(faults) == 0 {
			faults = append(faults, fault{
				at: at, message: "WebSocket and plain URLs stand in one list",
				hint: "write either ws and wss URLs, or nats and tls URLs",
			})
		}
	}
	return faults
}

func isWebSocket(text string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(text), ":")
	return scheme == "ws" || scheme == "wss"
}

// natsURL does not quote what it finds, for it may hold a password.
func natsURL(text string) (message, hint string) {
	const shape = "write it as nats://127.0.0.1:4222"
	if strings.Contains(text, "@") {
		return "a user name or password does not belong in a URL",
			"use nats.user and nats.password_file, nats.nkey_file or nats.creds_file, and replace the secret, since it stood in a file"
	}
	if message, hint = misplaced(text, "a URL"); message != "" {
		return message, hint
	}
	if strings.Contains(text, ",") {
		return "holds a comma", "write each URL as an entry of its own"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not a URL", shape
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return "expected scheme nats, tls, ws or wss", shape
	}
	switch {
	case !isHost(u.Hostname()):
		return "expected a host name or IP address after the scheme", shape
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
		return "expected a port from 1 to 65535", shape
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path != "" && !isWebSocket(text):
		return "expected nothing after host and port", shape
	}
	return "", ""
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}
