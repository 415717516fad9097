package webhook

import (
	"time"

	"usher/internal/secret"
	"usher/tokens/backend"
)

// Parse parses an answer of the endpoint "sso".
func Parse(text []byte) (backend.Answer, error) {
	return parse(text, "sso", time.Unix(1_800_000_000, 0), secret.Filter{})
}
