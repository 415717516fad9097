package rule

import (
	"net/netip"

	"github.com/nats-io/nkeys"

	"usher/internal/secret"
)

func checkOperatorKey(text string) (message, hint string) {
	return checkPublicKey(text, "an operator (O…)", nkeys.IsValidPublicOperatorKey)
}

func checkAccountKey(text string) (message, hint string) {
	return checkPublicKey(text, "an account (A…)", nkeys.IsValidPublicAccountKey)
}

func checkUserNKey(text string) (message, hint string) {
	return checkPublicKey(text, "a user (U…)", nkeys.IsValidPublicUserKey)
}

func checkPublicKey(text, of string, valid func(string) bool) (message, hint string) {
	if valid(text) {
		return "", ""
	}
	if message, hint = refuseSecret(text, "a public key"); message != "" {
		return message, hint
	}
	return secret.Quote(text) + " is not the public key of " + of, ""
}

func checkNetwork(text string) (message, hint string) {
	n, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return secret.Quote(text) + " is not a network such as 10.0.0.0/8", ""
	case n != n.Masked():
		return secret.Quote(text) + " has bits beyond its length", "write " + n.Masked().String()
	default:
		return "", ""
	}
}
