package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"usher/internal/strictjson"
)

type shape struct {
	Name  string         `json:"name"`
	Inner *shape         `json:"inner"`
	Any   map[string]any `json:"any"`
}

func TestDecode(t *testing.T) {
	nested := func(n int) string {
		return `{"any":{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	for _, tt := range []struct {
		text         string
		known, other error // of DecodeKnown, of Decode
	}{
		{`{}`, nil, nil},
		{` {"name":"a","inner":{"name":"b"},"any":{"x":1}} `, nil, nil},
		{nested(strictjson.MaxDepth - 2), nil, nil},
		{nested(strictjson.MaxDepth - 1), strictjson.ErrDeep, strictjson.ErrDeep},
		{``, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`null`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`[]`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`{`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`{"name":"a"`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`{"name":}`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`{} {}`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{`{} x`, strictjson.ErrNoObject, strictjson.ErrNoObject},
		{"{\"name\":\"\xff\"}", strictjson.ErrEncoding, strictjson.ErrEncoding},
		{`{"name":"a","name":"b"}`, strictjson.ErrDuplicate, strictjson.ErrDuplicate},
		{`{"name":"a","NAME":"b"}`, strictjson.ErrDuplicate, strictjson.ErrDuplicate},
		{`{"any":{"x":[{"y":1,"y":2}]}}`, strictjson.ErrDuplicate, strictjson.ErrDuplicate},
		{`{"name":1}`, strictjson.ErrType, strictjson.ErrType},
		{`{"inner":{"name":[]}}`, strictjson.ErrType, strictjson.ErrType},
		{`{"inner":[]}`, strictjson.ErrType, strictjson.ErrType},
		{`{"s3cret":1}`, strictjson.ErrUnknown, nil},
		{`{"inner":{"s3cret":1}}`, strictjson.ErrUnknown, nil},
		{`{"s3cret":1,"name":2}`, strictjson.ErrType, strictjson.ErrType},
	} {
		var v shape
		known := strictjson.DecodeKnown([]byte(tt.text), &v)
		other := strictjson.Decode([]byte(tt.text), &v)
		if !errors.Is(known, tt.known) || !errors.Is(other, tt.other) {
			t.Errorf("%.60s: %v and %v, want %v and %v", tt.text, known, other, tt.known, tt.other)
		}
		if known != nil && strings.Contains(known.Error(), "s3cret") {
			t.Errorf("%.60s: the error quotes it: %v", tt.text, known)
		}
	}
	err := strictjson.Decode([]byte(`{"inner":{"name":1}}`), &shape{})
	if err == nil || !strings.HasPrefix(err.Error(), "inner.name: ") {
		t.Errorf("the field is not named: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{}`, `{"name":"a"}`, `{"inner":{"any":{"x":[1,"2",null]}}}`, `{"a":1,"A":2}`, `{`, `[[]]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, lenient shape
		if strictjson.DecodeKnown(text, &v) != nil {
			return
		}
		if err := strictjson.Decode(text, &v); err != nil {
			t.Errorf("known, but %v", err)
		}
		if err := json.Unmarshal(text, &lenient); err != nil {
			t.Errorf("encoding/json refuses it: %v", err)
		}
	})
}
