// Package envelope is the stored form of an entry of a directory: a JSON object with
// a version and the value, so that "nats kv get" shows an entry in plain text.
//
// It promises that entries which an older usher has written stay readable, and that an
// entry from a newer usher is reported as such instead of being read in part. Its
// errors never quote the entry.
package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"usher/directory"
)

// Versions of the encoding. A decoder rejects those that it does not know.
const (
	version = 1

	// versionOther is that of keys that are no API keys. An older usher would take such a
	// key for an API key, whose text is public.
	versionOther = 2
)

var (
	// ErrDamaged: the entry is damaged.
	ErrDamaged = errors.New("the entry is damaged")
	// ErrNewer: the entry was written by a newer usher.
	ErrNewer = errors.New("the entry was written by a newer usher")
)

type envelope struct {
	Version int             `json:"v"`
	Value   json.RawMessage `json:"value"`
}

// Encode returns the stored form of v.
func Encode(v directory.Value) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return json.Marshal(envelope{Version: versionOf(v), Value: value})
}

func versionOf(v directory.Value) int {
	if k, ok := v.(*directory.Key); ok && k.Other != nil {
		return versionOther
	}
	return version
}

// newest returns the newest version of entries of a kind.
func newest(kind directory.Kind) int {
	if kind == directory.KindKey {
		return versionOther
	}
	return version
}

// prefix is how each envelope of the first version begins that Encode has written. The
// value and a closing brace follow.
var prefix = fmt.Appendf(nil, `{"v":%d,"value":`, version)

// Decoder decodes one value after the other, and reuses its buffer. The zero value is
// ready to use.
type Decoder struct {
	data bytes.Reader
	json *json.Decoder
}

// Decode decodes the stored form of an entry of this kind. The error is ErrDamaged or
// ErrNewer.
func (d *Decoder) Decode(kind directory.Kind, data []byte) (directory.Value, error) {
	v := directory.NewValue(kind)
	if inner, ok := bytes.CutPrefix(data, prefix); ok && v != nil { // the fast path, for nearly all entries
		if inner, ok = bytes.CutSuffix(inner, []byte("}")); ok && d.value(inner, v) == nil && versionOf(v) == version {
			return v, nil
		}
		v = directory.NewValue(kind)
	}
	var e envelope
	if err := d.strict(data, &e); err != nil {
		if lenient := (envelope{}); json.Unmarshal(data, &lenient) == nil && lenient.Version > newest(kind) {
			return nil, ErrNewer
		}
		return nil, ErrDamaged
	}
	switch {
	case e.Version > newest(kind):
		return nil, ErrNewer
	case e.Version < 1 || v == nil || d.value(e.Value, v) != nil || e.Version != versionOf(v):
		return nil, ErrDamaged
	}
	return v, nil
}

// value decodes one object.
func (d *Decoder) value(data []byte, v directory.Value) error {
	if len(data) == 0 || data[0] != '{' {
		return ErrDamaged
	}
	if err := d.strict(data, v); err != nil {
		return err
	}
	if hasEmptyLimit(v) {
		return ErrDamaged
	}
	return nil
}

// hasEmptyLimit reports an empty list in a field where no list means "no limit". Such
// an entry would lift the limit that it seems to set.
func hasEmptyLimit(v directory.Value) bool {
	switch v := v.(type) {
	case *directory.User:
		return v.Limits.ConnectionTypes != nil && len(v.Limits.ConnectionTypes) == 0
	case *directory.Key:
		return v.Networks != nil && len(v.Networks) == 0
	}
	return false
}

// strict decodes a single JSON value. Unknown fields and trailing data are errors.
func (d *Decoder) strict(data []byte, v any) error {
	if d.json == nil {
		d.json = json.NewDecoder(&d.data)
		d.json.DisallowUnknownFields()
	}
	d.data.Reset(data)
	err := d.json.Decode(v)
	if err == nil {
		if _, rest := d.json.Token(); !errors.Is(rest, io.EOF) {
			err = ErrDamaged
		}
	}
	if err != nil {
		d.json = nil // a json.Decoder keeps its error and its unread input
	}
	return err
}
