package directory

import (
	"errors"
	"fmt"
	"strings"

	"usher/internal/secret"
)

// ErrSecret: an API key, a health-check token or an nkeys seed where a name is expected.
var ErrSecret = errors.New("looks like a secret, found where a name belongs")

// maxNameLength keeps names well below what subjects and stream names allow.
const maxNameLength = 128

// CheckName reports why name cannot stand as one token of a subject. Names are
// letters, digits, '-' and '_', as in AMS, and do not begin with '_': those
// first tokens (_INBOX, _STAN, …) belong to NATS and its protocols.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("is empty")
	case secret.Detect(name):
		return ErrSecret
	case len(name) > maxNameLength:
		return fmt.Errorf("is %d characters long, at most %d are allowed", len(name), maxNameLength)
	case name[0] == '_':
		return fmt.Errorf("%s begins with '_', which is reserved for NATS itself", secret.Name(name))
	}
	for _, r := range name {
		if !isNameRune(r) {
			return fmt.Errorf("%s holds %q; only letters, digits, '-' and '_' are allowed", secret.Name(name), r)
		}
	}
	return nil
}

// reservedProjects are names whose subjects a profile uses, in the account where
// it lands.
func reservedProjects() map[string]string {
	return map[string]string{
		"habitat":     "every ingest client publishes under habitat.event",
		"healthcheck": "usher's health check uses healthcheck.>",
	}
}

// projectUse returns what a name is used for that no project may have. A project's
// stream is called like the project, and so is the stream of a key-value bucket or
// an object store with this beginning: the project would own somebody's bucket.
func projectUse(name string) (use string, reserved bool) {
	switch {
	case strings.HasPrefix(name, "KV_"):
		return "KV_ begins the stream of a key-value bucket", true
	case strings.HasPrefix(name, "OBJ_"):
		return "OBJ_ begins the stream of an object store", true
	}
	use, reserved = reservedProjects()[name]
	return use, reserved
}

// reservedUsers are names whose private inbox is usher's own.
func reservedUsers() map[string]string {
	return map[string]string{"usher-healthcheck": "it is usher's own health check"}
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// CheckSubject reports why subject cannot be the subject of a topic: it has to
// be literal, and its first token must not be one that NATS keeps for itself, nor
// a name that no project may have.
func CheckSubject(subject string) error {
	if subject == "" {
		return fmt.Errorf("is empty")
	}
	if secret.Detect(subject) {
		return ErrSecret
	}
	if len(subject) > maxNameLength*2 {
		return fmt.Errorf("is %d characters long, at most %d are allowed", len(subject), maxNameLength*2)
	}
	for token := range strings.SplitSeq(subject, ".") {
		if token == "" {
			return fmt.Errorf("%s has an empty token", secret.Name(subject))
		}
		if token == "*" || token == ">" {
			return fmt.Errorf("%s is a wildcard; a topic stands for one subject", secret.Name(subject))
		}
		for _, r := range token {
			if r <= ' ' || r == '*' || r == '>' || r >= 0x7f {
				return fmt.Errorf("%s holds %q, which a subject of a topic must not", secret.Name(subject), r)
			}
		}
	}
	if subject[0] == '$' || subject[0] == '_' {
		return fmt.Errorf("%s begins with %q, which is reserved for NATS itself", secret.Name(subject), subject[0])
	}
	first, _, _ := strings.Cut(subject, ".")
	if use, ok := reservedProjects()[first]; ok {
		return fmt.Errorf("%s begins with %s, which is reserved: %s", secret.Name(subject), first, use)
	}
	return nil
}

// CheckAccount reports why name cannot be the account of a project: an account
// name of a config file, or an account's public key.
func CheckAccount(name string) error {
	if name == "" {
		return fmt.Errorf("is empty")
	}
	if secret.Detect(name) {
		return ErrSecret
	}
	if len(name) > maxNameLength {
		return fmt.Errorf("is %d characters long, at most %d are allowed", len(name), maxNameLength)
	}
	for _, r := range name {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("%s holds %q, which an account name must not", secret.Name(name), r)
		}
	}
	return nil
}
