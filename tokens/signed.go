package tokens

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// signedParts returns the header and the claims of a JWT as its issuer encodes them; ok is
// false for any other text. A JWT has many spellings that verify: another signature of the
// same text (ECDSA has two), and base64 that some decoders forgive.
//
// NATS JWTs of version 1 have signed claims only.
func signedParts(token string) (header, claims string, ok bool) {
	if strings.Count(token, ".") != 2 {
		return "", "", false
	}
	parts := strings.Split(token, ".")
	raw, good := spelled(&parts[0])
	var object struct {
		Algorithm string `json:"alg"`
	}
	if !good || json.Unmarshal(raw, &object) != nil || object.Algorithm == "" {
		return "", "", false
	}
	_, ok = spelled(&parts[1])
	return parts[0], parts[1], ok
}

// spelled decodes base64, and puts the only strict spelling of it in place of text.
func spelled(text *string) (raw []byte, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(*text, "=\r\n"))
	*text = base64.RawURLEncoding.EncodeToString(raw)
	return raw, err == nil
}
