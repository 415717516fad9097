package store

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// attributesHeader has the attributes that are no header of their own: a JSON object of
// strings, in ASCII.
const attributesHeader = "Usher-Attributes"

// Headers that nats.go makes from the status line of a message without them.
const (
	statusHeader      = "Status"
	descriptionHeader = "Description"
)

// HeaderOf returns the headers of a message with these attributes; nil: none.
//
// An attribute is a header of its own where it arrives unchanged at every client: its name is
// a token of RFC 9110 in no other case among them, and its value printable ASCII without a
// space at either end, not empty. Others travel together in attributesHeader. So do names
// that servers or clients act upon, which a publisher must not be able to set: those of
// JetStream (Nats-), of MQTT (Nmqtt-), and the status of a message.
func HeaderOf(attributes map[string]string) (nats.Header, error) {
	if len(attributes) == 0 {
		return nil, nil
	}
	header := make(nats.Header, len(attributes)+1)
	var others map[string]string
	values := make([]string, 0, len(attributes)) // one allocation for all
	twins := hasTwins(attributes)
	for name, value := range attributes {
		if isPlainName(name) && isPlainValue(value) && !twins {
			values = append(values, value)
			header[name] = values[len(values)-1 : len(values) : len(values)]
			continue
		}
		if others == nil {
			others = make(map[string]string)
		}
		others[name] = value
	}
	if others != nil {
		text, err := json.Marshal(others)
		if err != nil {
			return nil, fmt.Errorf("attributes: %w", err)
		}
		header[attributesHeader] = []string{ascii(text)}
	}
	return header, nil
}

// attributesOf returns the attributes of a message with these headers; nil: none. Headers that
// begin with Nats- are JetStream's and no attributes. Of several values the first counts.
func attributesOf(header nats.Header) map[string]string {
	if len(header) == 0 {
		return nil
	}
	attributes := make(map[string]string, len(header))
	for name, values := range header {
		switch {
		case len(values) == 0 || strings.HasPrefix(name, "Nats-"):
		case name == attributesHeader:
		default:
			attributes[name] = values[0]
		}
	}
	if text := header[attributesHeader]; len(text) > 0 {
		var others map[string]string
		if json.Unmarshal([]byte(text[0]), &others) == nil && others != nil {
			for name, value := range others {
				attributes[name] = value
			}
		} else {
			attributes[attributesHeader] = text[0] // somebody else's
		}
	}
	if len(attributes) == 0 {
		return nil
	}
	return attributes
}

// hasTwins reports whether two names differ only in case. Some clients cannot tell the
// headers apart.
func hasTwins(attributes map[string]string) bool {
	if len(attributes) < 2 {
		return false
	}
	seen := make(map[string]struct{}, len(attributes))
	for name := range attributes {
		lower := strings.ToLower(name)
		if _, ok := seen[lower]; ok {
			return true
		}
		seen[lower] = struct{}{}
	}
	return false
}

func isPlainName(name string) bool {
	if name == "" || hasFoldedPrefix(name, "nats-") || hasFoldedPrefix(name, "nmqtt-") ||
		strings.EqualFold(name, attributesHeader) ||
		strings.EqualFold(name, statusHeader) || strings.EqualFold(name, descriptionHeader) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}

func isPlainValue(value string) bool {
	if value == "" || value[0] == ' ' || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

func hasFoldedPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// ascii escapes what is not ASCII in JSON, where it can be only within strings.
func ascii(text []byte) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range string(text) {
		switch {
		case r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return b.String()
}
