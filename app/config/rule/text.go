package rule

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

// refuseSecret refuses a text that looks like a secret; expected says what belongs in
// its place. The message does not quote the text.
func refuseSecret(text, expected string) (message, hint string) {
	if secret.Detect(text) {
		return "looks like a secret, found where " + expected + " belongs", secret.Hint
	}
	return "", ""
}

func checkName(text string) (message, hint string) {
	if message, hint = refuseSecret(text, "a name"); message != "" {
		return message, hint
	}
	return checkLine(text)
}

func checkLine(text string) (message, hint string) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return "contains a line break or another control character", ""
	}
	return "", ""
}

func checkPath(text string) (message, hint string) {
	if message, hint = refuseSecret(text, "a path"); message != "" {
		return message, hint
	}
	return CheckPathForm(text)
}

// CheckPathForm is checkPath without the search for secrets.
func CheckPathForm(text string) (message, hint string) {
	if text == "~" || strings.HasPrefix(text, "~/") {
		return "begins with ~, which usher does not expand", "write the full path"
	}
	return checkLine(text)
}

func checkHost(text string) (message, hint string) {
	if message, hint = refuseSecret(text, "a host name"); message != "" {
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

func checkListen(text string) (message, hint string) {
	const example = "write 127.0.0.1:9778, or :9778 for all addresses of the machine"
	if message, hint = refuseSecret(text, "an address"); message != "" {
		return message, hint
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host != "" && !isHost(host) {
		return "expected host:port, found " + secret.Quote(text), example
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "expected a port from 0 to 65535, found " + secret.Quote(port), example
	}
	return "", ""
}

// checkAddress is for an address to connect to.
func checkAddress(text string) (message, hint string) {
	const example = "write it as HOST:PORT"
	if message, hint = refuseSecret(text, "an address"); message != "" {
		return message, hint
	}
	host, port, err := net.SplitHostPort(text)
	switch {
	case err != nil || !isHost(host):
		return "expected host:port, found " + secret.Quote(text), example
	case !isPort(port):
		return "expected a port from 1 to 65535, found " + secret.Quote(port), example
	}
	return "", ""
}

// IsLoopback reports whether a valid address is reachable only from this machine.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func natsURLs(v reflect.Value, _ string) []Fault {
	if v.Len() == 0 {
		return faultIf(true, "must not be empty", "leave the key out for its default")
	}
	return natsURLsOrNone(v, "")
}

func natsURLsOrNone(v reflect.Value, _ string) []Fault {
	var faults []Fault
	for i := range v.Len() {
		at := strictyaml.IndexPath("", i)
		if message, hint := checkURL(v.Index(i).String()); message != "" {
			faults = append(faults, Fault{At: at, Message: message, Hint: hint})
		} else if isWebSocket(v.Index(i).String()) != isWebSocket(v.Index(0).String()) && len(faults) == 0 {
			faults = append(faults, Fault{
				At: at, Message: "the list mixes WebSocket and plain NATS URLs",
				Hint: "use either ws and wss URLs, or nats and tls URLs",
			})
		}
	}
	return faults
}

func isWebSocket(text string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(text), ":")
	return scheme == "ws" || scheme == "wss"
}

// refuseSecretURL refuses a URL with a secret in it. instead says which keys to use. The
// checks of URLs do not quote a URL, because it may contain a password.
func refuseSecretURL(text, instead string) (message, hint string) {
	if strings.Contains(text, "@") {
		return "a URL must not contain a user name or password", instead + ", and replace the secret, since it stood in a file"
	}
	return refuseSecret(text, "a URL")
}

// refuseHostPort refuses a URL without a host, or with a bad port.
func refuseHostPort(u *url.URL) (message string) {
	switch {
	case !isHost(u.Hostname()):
		return "expected a host name or IP address after the scheme"
	case strings.HasSuffix(u.Host, ":") || u.Port() != "" && !isPort(u.Port()):
		return "expected a port from 1 to 65535"
	default:
		return ""
	}
}

func checkURL(text string) (message, hint string) {
	const example = "write it as nats://127.0.0.1:4222"
	if message, hint = refuseSecretURL(text, "use nats.user with nats.password_file, nats.nkey_file or nats.creds_file"); message != "" {
		return message, hint
	}
	if strings.Contains(text, ",") {
		return "contains a comma", "write each URL as a separate list entry"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not a URL", example
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
	default:
		return "expected scheme nats, tls, ws or wss", example
	}
	if message = refuseHostPort(u); message != "" {
		return message, example
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Path != "" && !isWebSocket(text) {
		return "expected nothing after host and port", example
	}
	return "", ""
}

func checkCollectorURL(text string) (message, hint string) {
	const example = "write it as http://127.0.0.1:4318"
	if message, hint = refuseSecretURL(text, "use tracing.headers_file"); message != "" {
		return message, hint
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not a URL", example
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "expected scheme http or https", example
	}
	if message = refuseHostPort(u); message != "" {
		return message, example
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "expected nothing after the path", "use tracing.headers_file for a key"
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/traces"):
		return "ends in /v1/traces, which usher appends", "leave /v1/traces out"
	}
	return "", ""
}

// CheckHTTPSURL checks a URL of another system that usher asks. It returns a message if
// the URL is invalid, and a hint.
func CheckHTTPSURL(text string) (message, hint string) {
	const example = "write it as https://example.org/path"
	if message, hint = refuseSecretURL(text, "write the URL without them"); message != "" {
		return message, hint
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not a URL", example
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "expected scheme https", example
	}
	if message = refuseHostPort(u); message != "" {
		return message, example
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "expected nothing after the path", example
	case u.Scheme == "http" && !IsLoopback(net.JoinHostPort(u.Hostname(), "0")):
		return "is reachable over cleartext, which others on the network can read and change", "use https; http is for loopback addresses"
	}
	return "", ""
}

// checkChannelSubject checks the subject of a channel: literal tokens, and the channel once.
func checkChannelSubject(text string) (message, hint string) {
	const channel, example = "{channel}", "write it as stan.{channel}"
	if strings.Count(text, channel) != 1 {
		return "expected {channel} once, found " + secret.Quote(text), example
	}
	for token := range strings.SplitSeq(strings.Replace(text, channel, "x", 1), ".") {
		if token == "" || strings.Trim(strings.ToLower(token), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "expected tokens of letters, digits, - and _, found " + secret.Quote(text), example
		}
	}
	return "", ""
}

func checkSubjectPrefix(text string) (message, hint string) {
	if message, hint = refuseSecret(text, "a subject"); message != "" {
		return message, hint
	}
	for token := range strings.SplitSeq(text, ".") {
		if token == "" || strings.Trim(strings.ToLower(token), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "expected tokens of letters, digits, - and _, found " + secret.Quote(text), "such as usher.audit"
		}
	}
	return "", ""
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func checkPort(text string) (message, hint string) {
	if !isPort(text) {
		return "expected a port from 1 to 65535, found " + secret.Quote(text), ""
	}
	return "", ""
}

func checkDeadLetterSubject(text string) (message, hint string) {
	if message, hint = refuseSecret(text, "a subject"); message != "" {
		return message, hint
	}
	named := strings.NewReplacer("{project}", "p", "{subscription}", "s").Replace(text)
	for token := range strings.SplitSeq(named, ".") {
		if token == "" || strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return "expected a subject of letters, digits, -, _, {project} and {subscription}, found " + secret.Quote(text), "such as {project}._dead.{subscription}"
		}
	}
	return "", ""
}
