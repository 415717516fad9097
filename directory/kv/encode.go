package kv

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"usher/directory"
)

// version is that of the encoding. One who knows an older one does not read it.
const version = 1

// Errors of entries that cannot be read.
var (
	ErrDamaged = errors.New("the entry is damaged")
	ErrNewer   = errors.New("the entry was written by a newer usher")
	errExpires = errors.New("the entry would expire, and nobody would hear of it")
)

// envelope is the value of an entry: JSON, so that "nats kv get" shows it.
type envelope struct {
	Version int             `json:"v"`
	Value   json.RawMessage `json:"value"`
}

func encode(v directory.Value) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return json.Marshal(envelope{Version: version, Value: value})
}

// begin is how an envelope begins that encode has written; its value and a brace
// follow.
var begin = fmt.Appendf(nil, `{"v":%d,"value":`, version)

// decoder reads the values of entries, one after the other. It keeps its buffer.
// The zero value is ready to use.
type decoder struct {
	data bytes.Reader
	json *json.Decoder
}

// decode reads the value of an entry. The error, ErrDamaged or ErrNewer, does not
// say what stands in it.
func (d *decoder) decode(kind directory.Kind, data []byte) (directory.Value, error) {
	v := directory.NewValue(kind)
	if inner, ok := bytes.CutPrefix(data, begin); ok && v != nil { // nearly all
		if inner, ok = bytes.CutSuffix(inner, []byte("}")); ok && d.value(inner, v) == nil {
			return v, nil
		}
		v = directory.NewValue(kind)
	}
	var e envelope
	if err := d.strict(data, &e); err != nil {
		if looser := (envelope{}); json.Unmarshal(data, &looser) == nil && looser.Version > version {
			return nil, ErrNewer
		}
		return nil, ErrDamaged
	}
	switch {
	case e.Version > version:
		return nil, ErrNewer
	case e.Version < 1 || v == nil || d.value(e.Value, v) != nil:
		return nil, ErrDamaged
	}
	return v, nil
}

// value reads one object.
func (d *decoder) value(data []byte, v directory.Value) error {
	if len(data) == 0 || data[0] != '{' {
		return ErrDamaged
	}
	if err := d.strict(data, v); err != nil {
		return err
	}
	if lifts(v) {
		return ErrDamaged
	}
	return nil
}

// lifts reports an empty list where none would be no limit at all: it would lift
// the limit that it seems to set.
func lifts(v directory.Value) bool {
	switch v := v.(type) {
	case *directory.User:
		return v.Limits.ConnectionTypes != nil && len(v.Limits.ConnectionTypes) == 0
	case *directory.Key:
		return v.Networks != nil && len(v.Networks) == 0
	}
	return false
}

// strict decodes one JSON value with nothing in it, or behind it, that has no place.
func (d *decoder) strict(data []byte, v any) error {
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
		d.json = nil // it keeps its errors, and what it has not read
	}
	return err
}
