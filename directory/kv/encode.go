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

// decode reads the value of an entry. The error, ErrDamaged or ErrNewer, does not
// say what stands in it.
func decode(kind directory.Kind, data []byte) (directory.Value, error) {
	var e envelope
	if err := strict(data, &e); err != nil {
		if looser := (envelope{}); json.Unmarshal(data, &looser) == nil && looser.Version > version {
			return nil, ErrNewer
		}
		return nil, ErrDamaged
	}
	switch {
	case e.Version > version:
		return nil, ErrNewer
	case e.Version < 1:
		return nil, ErrDamaged
	}
	v := directory.NewValue(kind)
	if v == nil || len(e.Value) == 0 || e.Value[0] != '{' || strict(e.Value, v) != nil || lifts(v) {
		return nil, ErrDamaged
	}
	return v, nil
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
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrDamaged
	}
	return nil
}
