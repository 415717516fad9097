package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"usher/api/wire"
)

// What parsePublish takes, encoding/json takes too, with the same messages.
func FuzzPublish(f *testing.F) {
	for _, text := range []string{
		`{"messages":[{"data":"aGk=","attributes":{"a":"b"}}]}`, `{"messages":[]}`, `{"messages":[{"data":"a\/8="}]}`, `{"x":{"messages":[1]},"messages":[{}]}`,
		`{"messages":[{"data":null,"attributes":null}]}`, `{"messages":{}}`, `[]`, `{`, `{"messages":[{"data":"\ud800"}]}`, "{\"messages\":[{\"data\":\"\xff\"}]}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parsePublish(append([]byte(nil), text...))
		if err != nil {
			return
		}
		var want struct {
			Messages []struct {
				Data       []byte            `json:"data"`
				Attributes map[string]string `json:"attributes"`
			} `json:"messages"`
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if strings.Count(strings.ToLower(string(text)), "messages") > 1 || strings.Contains(strings.ToLower(string(text)), `\u`) {
			return // encoding/json ignores the case of names
		}
		if len(want.Messages) != len(got) {
			t.Fatalf("%d messages, encoding/json has %d", len(got), len(want.Messages))
		}
	})
}

func FuzzPull(f *testing.F) {
	for _, text := range []string{`{}`, `{"maxMessages":"5","returnImmediately":"false"}`, `{"maxMessages":5,"returnImmediately":true}`, `{"maxMessages":1e3}`, `{"maxMessages":null}`, `[`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		options, err := parsePull(text)
		if err == nil && (options.max < 1 || options.max > maxBatch) {
			t.Errorf("%+v", options)
		}
	})
}

func FuzzAcknowledge(f *testing.F) {
	for _, text := range []string{`{"ackIds":["a","b"]}`, `{"AckIds":[]}`, `{"ackIds":[1]}`, `{"ackIds":{}}`, `{"ackIds":["a"],"ackIds":["b"]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if ids, err := parseAcknowledge(text); err == nil && len(ids) > maxBatch {
			t.Errorf("%d ids", len(ids))
		}
	})
}

// A message is written as encoding/json reads it, whatever is in it.
func FuzzWrite(f *testing.F) {
	f.Add([]byte("hi"), "name", "value")
	f.Add([]byte{0, 255}, "\xff\"<>", "\u2028\x00")
	f.Fuzz(func(t *testing.T, data []byte, name, value string) {
		m := Message{ID: "7", Data: data, Attributes: map[string]string{name: value}}
		var got wire.Message
		if err := json.Unmarshal(appendMessage(nil, &m), &got); err != nil {
			t.Fatal(err)
		}
		if got.Attributes[strings.ToValidUTF8(name, "\uFFFD")] != strings.ToValidUTF8(value, "\uFFFD") {
			t.Errorf("got %+v", got)
		}
	})
}

// One project never takes more than is left, and what it takes comes off the others' share
// only as far as it is in use.
// Names that nothing reads cost no more than others.
func TestManyNames(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		var names strings.Builder
		for i := range n {
			fmt.Fprintf(&names, `,"n%d":0`, i)
		}
		return names.String()
	}
	for body, want := range map[string]error{
		`{"messages":[]` + many(maxNames-1) + `}`:                          nil,
		`{"messages":[]` + many(maxNames) + `}`:                            errNames,
		`{"messages":[],"x":[{"y":0` + many(maxNames-1) + `}]}`:            nil,
		`{"messages":[],"x":[{"y":0` + many(maxNames) + `}]}`:              errNames,
		`{"messages":[{"data":"","x":{"y":0` + many(maxNames) + `}}]}`:     errNames,
		`{"messages":[{"data":{"y":0` + many(maxNames) + `}}]}`:            errNames,
		`{"messages":[{"data":""` + many(maxNames) + `}]}`:                 errNames,
		`{"messages":[],"x":[` + strings.Repeat("0,", 10*maxNames) + `0]}`: nil,
	} {
		if _, err := parsePublish([]byte(body)); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%.40s…: %v, expected %v", body, err, want)
		}
	}
}

func BenchmarkParsePublish(b *testing.B) {
	text := []byte(`{"messages":[` + strings.Repeat(`{"attributes":{"kind":"order"},"data":"`+strings.Repeat("QUFB", 341)+`"},`, 99) + `{"data":"QQ=="}]}`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parsePublish(text); err != nil {
			b.Fatal(err)
		}
	}
}
