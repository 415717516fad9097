package store

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
)

// carried returns the headers that a client receives of those that a message is sent with.
func carried(t *testing.T, header nats.Header) nats.Header {
	t.Helper()
	var b strings.Builder
	b.WriteString("NATS/1.0\r\n")
	for name, values := range header {
		for _, value := range values {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	if size := headerSize(header); len(header) > 0 && size != b.Len() {
		t.Errorf("size %d, expected %d", size, b.Len())
	}
	got, err := nats.DecodeHeadersMsg([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Attack: a publisher deletes a stream's messages, or a part of it, with an attribute that is called Nats-Rollup
// Held by: attributes with names that servers or clients act upon are no headers of their own
func TestPlainAttributes(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{
		"event-id": true, "X": true, "a.b_c~1": true, "traceparent": true, "Natsy": true,
		"": false, "a b": false, "a:b": false, "ä": false, "a\r\nb": false, "a\x00": false,
		"Nats-Rollup": false, "nats-ttl": false, "NATS-X": false, "Nmqtt-Pub": false,
		"Status": false, "description": false, "usher-attributes": false,
	} {
		header, err := HeaderOf(map[string]string{name: "v"})
		if _, ok := header[name]; err != nil || ok != plain {
			t.Errorf("%q: header %v, %v", name, header, err)
		}
	}
	for value, plain := range map[string]bool{
		"v": true, "a: b, c": true, "": false, " v": false, "v ": false, "ö": false, "a\nb": false, "a\tb": false, "\x7f": false,
	} {
		header, err := HeaderOf(map[string]string{"n": value})
		if _, ok := header["n"]; err != nil || ok != plain {
			t.Errorf("%q: header %v, %v", value, header, err)
		}
	}
	if header, _ := HeaderOf(map[string]string{"a": "1", "A": "2"}); len(header) != 1 {
		t.Errorf("names that differ in case: %v", header)
	}
}

func TestAttributesOfOthers(t *testing.T) {
	t.Parallel()
	got := attributesOf(nats.Header{
		"A": {"1", "2"}, "empty": {""}, "none": nil, "Nats-Msg-Id": {"x"}, "nats-mine": {"y"},
		attributesHeader: {"not ours"},
	})
	want := map[string]string{"A": "1", "empty": "", "nats-mine": "y", attributesHeader: "not ours"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for _, none := range []nats.Header{nil, {"Nats-Msg-Id": {"x"}}} {
		if got := attributesOf(none); got != nil {
			t.Errorf("got %v", got)
		}
	}
}

// Any attributes arrive as they were, and none as a header that servers act upon.
func FuzzAttributes(f *testing.F) {
	for _, seed := range [][4]string{
		{"a", "1", "A", "2"},
		{"", "", "Status", "404"},
		{"Nats-Rollup", "all", "nats-ttl", "1s"},
		{"ä", "😀\u2028", "x", "\r\nNats-Rollup: all"},
		{attributesHeader, `{"a":"b"}`, "k", "<&>\x00\x7f"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string) {
		for _, s := range []string{k1, v1, k2, v2} {
			if !utf8.ValidString(s) {
				return
			}
		}
		want := map[string]string{k1: v1, k2: v2}
		header, err := HeaderOf(want)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			if strings.HasPrefix(strings.ToLower(name), "nats-") || len(values) != 1 ||
				strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("header %q: %q", name, values)
			}
		}
		got := carried(t, header)
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(maps.Keys(header))) {
			t.Errorf("headers %q, sent %q", names, header)
		}
		if !maps.Equal(attributesOf(got), want) {
			t.Errorf("got %q, sent %q", attributesOf(got), want)
		}
	})
}

// Whatever a NATS client sends is readable.
func FuzzAttributesOfOthers(f *testing.F) {
	f.Add("a", `{"b":"c"}`)
	f.Add("", "null")
	f.Add("Nats-X", `{"b":1}`)
	f.Fuzz(func(t *testing.T, value, text string) {
		got := attributesOf(nats.Header{"a": {value}, attributesHeader: {text}})
		var others map[string]string
		if json.Unmarshal([]byte(text), &others) != nil && got[attributesHeader] != text {
			t.Errorf("lost %q: %v", text, got)
		}
		if _, ok := others["a"]; !ok && got["a"] != value {
			t.Errorf("lost %q: %v", value, got)
		}
	})
}
