package kubernetes

import (
	"encoding/json"

	"usher/internal/secret"
	"usher/internal/strictjson"
	"usher/tokens/backend"
)

// CloseIdle closes the idle connections of a verifier.
func CloseIdle(v *Verifier) { v.access.client.CloseIdleConnections() }

// Parse parses an answer about a token for audience nats.
func Parse(text []byte) (backend.Answer, error) {
	var r review
	if err := strictjson.Decode(text, &r); err != nil {
		return backend.Answer{}, err
	}
	return r.answer("main", []string{"nats"}, secret.Filter{})
}

// TimeOf is timeOf.
func TimeOf(text string) (seconds int64, ok bool) {
	t, ok := timeOf(json.Number(text))
	return t.Unix(), ok
}
