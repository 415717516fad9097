package assembly

import (
	"errors"
	"fmt"

	"usher/api/rest"
	"usher/app/config"
	"usher/directory"
	"usher/internal/secretfile"
)

// sizeOfServiceToken is the length of a service token: that of a key of AMS, which nobody
// guesses.
const sizeOfServiceToken = 64

var (
	errServiceToken = fmt.Errorf("expected %d hexadecimal digits in lower case", sizeOfServiceToken)
	errSameToken    = errors.New("two services have the same token")
)

// ServiceTokens reads the files of api.service_tokens. It keeps digests alone. No error has a
// part of a token.
func ServiceTokens(cfg *config.Config) ([]rest.ServiceToken, error) {
	var all []rest.ServiceToken
	seen := map[directory.Digest]bool{}
	for _, t := range cfg.API.ServiceTokens {
		token, err := secretfile.Read(t.TokenFile, cfg.Keyring.AllowGroupReadable)
		if err == nil && !isServiceToken(token) {
			err = errServiceToken
		}
		digest := directory.DigestOf(token)
		if err == nil && seen[digest] {
			err = errSameToken
		}
		if err != nil {
			return nil, fmt.Errorf("api.service_tokens: %s: token_file: %w", t.Name, err)
		}
		seen[digest] = true
		all = append(all, rest.ServiceToken{Name: t.Name, Role: directory.ServiceRole(t.Role), Digest: digest})
	}
	return all, nil
}

func isServiceToken(text string) bool {
	if len(text) != sizeOfServiceToken {
		return false
	}
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
