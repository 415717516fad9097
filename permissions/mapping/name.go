package mapping

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"usher/identity"
)

// Lengths of a name, in bytes.
const (
	maxName      = 100
	maxAuthority = 40 // of the beginning of a name with a digest
)

// Name returns the name of an identity that is no user of the directory: the authority,
// "~" and what the authority calls the identity. Every byte except letters, digits, '-'
// and '_' is escaped as %XX. A longer name ends with "~~" and a SHA-256 digest instead.
//
// Different identities have different names. A name is one subject token, has no colon,
// comma, "=" or white space, and is no name of a user, because those have no "~". So
// neither inbox prefixes nor MQTT client ids nor names of user JWTs of two identities
// are the same. The digest is in base64: the hexadecimal form would look like a secret.
func Name(authority identity.Authority, id string) string {
	if len(authority)+len(id) < maxName {
		if name := escape(string(authority)) + "~" + escape(id); len(name) <= maxName {
			return name
		}
	}
	digest := sha256.Sum256([]byte(strconv.Itoa(len(authority)) + ":" + string(authority) + id))
	begin := escape(string(authority[:min(len(authority), maxAuthority)]))
	return begin[:min(len(begin), maxAuthority)] + "~~" + base64.RawURLEncoding.EncodeToString(digest[:])
}

// escape escapes everything that is not part of a name of the directory.
func escape(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; isNameByte(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
