package dn

import (
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// maxLength is the length of the longest form that Check accepts.
const maxLength = 4096

// Check returns an error if text is not the normal form of a subject, so that no
// certificate can match it.
func Check(text string) error {
	if text == "" || len(text) > maxLength {
		return fmt.Errorf("expected a subject of 1 to %d bytes", maxLength)
	}
	n, err := parse(text)
	if err != nil {
		return err
	}
	if normal := Of(n); normal != text {
		return fmt.Errorf("not in normal form; expected %s", normal)
	}
	return nil
}

// parse reads a form with its types in any order.
func parse(text string) (*pkix.Name, error) {
	n, known, values := &pkix.Name{}, attributes(), map[string][]string{}
	for _, a := range split(text) {
		name, escaped, found := strings.Cut(a, "=")
		name = strings.TrimLeft(name, " ")
		if !found || !slices.ContainsFunc(known, func(k attribute) bool { return k.name == name }) {
			return nil, fmt.Errorf("expected NAME=VALUE pairs, with the names %s", names(known))
		}
		value, err := unescape(escaped)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values[name] = append(values[name], value)
	}
	for _, k := range known {
		if v := values[k.name]; len(v) > 0 {
			k.set(n, v)
		}
	}
	return n, nil
}

func names(known []attribute) string {
	all := make([]string, len(known))
	for i, k := range known {
		all[i] = k.name
	}
	return strings.Join(all, ", ")
}

// split cuts at each "," and "+" that is not escaped.
func split(text string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',', '+':
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

func unescape(text string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", fmt.Errorf(`expected a character after the last \`)
		}
		if strings.IndexByte(special+" #=", text[i]) >= 0 {
			b.WriteByte(text[i])
			continue
		}
		pair, err := hex.DecodeString(text[i:min(i+2, len(text))])
		if err != nil || len(pair) != 1 {
			return "", fmt.Errorf(`expected a special character or two hex digits after \`)
		}
		b.Write(pair)
		i++
	}
	return b.String(), nil
}
