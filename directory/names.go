package directory

import (
	"errors"
	"fmt"
	"strings"

	"usher/internal/secret"
)

// ErrSecret: an API key, a health-check token or an nkeys seed in place of a name.
var ErrSecret = errors.New("looks like a secret, found where a name belongs")

// HintFor returns a hint for an error of CheckName, CheckSubject or CheckAccount;
// empty: there is none.
func HintFor(err error) string {
	if errors.Is(err, ErrSecret) {
		return secret.Hint
	}
	return ""
}

// maxNameLength is well below the limits for subjects and stream names.
const maxNameLength = 128

// CheckName reports why name cannot be one token of a subject. A name consists of
// letters, digits, '-' and '_', as in AMS, and does not begin with '_': NATS and its
// protocols use such first tokens (_INBOX, _STAN, …).
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

// reservedProjects returns the project names whose subjects usher's own profiles use,
// and for what.
func reservedProjects() map[string]string {
	return map[string]string{
		"habitat":     "every ingest client publishes under habitat.event",
		"healthcheck": "usher's health check uses healthcheck.>",
	}
}

// ReservedProject reports whether no project may have this name, and what the name is
// used for. A project's stream has the name of the project. The streams of key-value
// buckets and object stores begin with KV_ and OBJ_, so a project of such a name would
// own the bucket of another program.
func ReservedProject(name string) (use string, reserved bool) {
	switch {
	case strings.HasPrefix(name, "KV_"):
		return "KV_ begins the stream of a key-value bucket", true
	case strings.HasPrefix(name, "OBJ_"):
		return "OBJ_ begins the stream of an object store", true
	}
	use, reserved = reservedProjects()[name]
	return use, reserved
}

// Names of usher itself: of its health check, and of its connections into the accounts of
// projects. They have private inboxes.
const (
	healthCheckUser = "usher-healthcheck"
	serviceUser     = "usher-service"
)

// ReservedUser reports whether no user may have this name, and what the name is used
// for.
func ReservedUser(name string) (use string, reserved bool) {
	switch name {
	case healthCheckUser:
		return "it is usher's own health check", true
	case serviceUser:
		return "it is usher itself in the accounts of projects", true
	}
	return "", false
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// CheckSubject reports why subject cannot be the subject of a topic. It must have no
// wildcards. Its first token must not be reserved for NATS, and must not be a name
// that is reserved among projects.
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

// CheckAccount reports why name cannot be the account of a project. It is the name of
// an account in the server's configuration, or an account's public key.
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
