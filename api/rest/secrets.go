package rest

import (
	"errors"
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

var errContainsKey = errors.New("the request contains a user's API key in a field that is not for keys; replace that key")

// Limits on text in responses, log and audit, in bytes. They keep a client from filling
// the disk.
const (
	maxClientID = 64   // of the request id that the client sent
	maxMessage  = 4096 // of one message or detail
	maxCause    = 2048 // of a cause
	minKey      = 8    // a shorter key may occur in other text by chance
)

// redact returns a text without secrets, for response, log and audit. All text from a
// request goes through it.
func (r *Request) redact(text string, limit int) string {
	return secret.NewFilter(r.key).Text(text, limit)
}

// ContainsKey reports whether a text that is to be kept contains a key: the caller's own,
// or one that was imported from AMS and does not look like a key of usher.
func (r *Request) ContainsKey(text string) bool {
	found := len(r.key) >= minKey && !secret.Suspect(r.key) && strings.Contains(text, r.key) // a key of usher is recognized elsewhere
	secret.AMSKeys(text, func(key string) {
		if r.Snapshot != nil {
			rec, known := r.Snapshot.LookupKey(directory.DigestOf(key))
			found = found || known && rec.Key.Kind() == directory.KeyAPI
		}
	})
	return found
}
