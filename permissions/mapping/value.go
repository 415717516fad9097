package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
)

// maxExact is the largest number up to which every integer is a float64 of its own. JSON
// numbers above it may have lost digits, so they are equal to nothing.
const maxExact = 1<<53 - 1

// normal returns a text or a boolean as it is, and a number that is known exactly as a
// float64. Any other value is nil, which is equal to nothing.
func normal(v any) any {
	switch v := v.(type) {
	case string, bool:
		return v
	case float64:
		return exact(v)
	case int64:
		return exactInt(v)
	case int:
		return exactInt(int64(v))
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		return exact(f)
	default:
		return nil
	}
}

// CheckValue returns an error if v is nothing that a fact can be compared with.
func CheckValue(v any) error {
	if normal(v) != nil {
		return nil
	}
	switch v.(type) {
	case float64, int64, int:
		return errors.New("is too large to be compared exactly: numbers in JSON are exact up to 9007199254740991")
	default:
		return errors.New("is not a text, a number, true or false")
	}
}

func exact(f float64) any {
	if math.IsNaN(f) || math.Abs(f) > maxExact {
		return nil
	}
	return f
}

func exactInt(i int64) any {
	if i > maxExact || i < -maxExact {
		return nil
	}
	return float64(i)
}

// equal reports whether a fact is a scalar of the same type and value as want, which is
// normal.
func equal(fact, want any) bool {
	got := normal(fact)
	return got != nil && got == want
}

// show returns a value as JSON, for people.
func show(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "a value that is not JSON"
	}
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}
