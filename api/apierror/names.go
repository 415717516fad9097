package apierror

import (
	"fmt"
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

// Kind is what AMS calls a resource in its errors.
type Kind string

// The kinds of resources.
const (
	Project      Kind = "project"
	User         Kind = "User"
	Topic        Kind = "Topic"
	Subscription Kind = "Subscription"
	Key          Kind = "Key"
	NKey         Kind = "Nkey"
	Password     Kind = "Password"
	Certificate  Kind = "Certificate"
	Binding      Kind = "Binding"
	Session      Kind = "Session"
	Ban          Kind = "Ban"
)

// Lower returns the kind as a detail spells it.
func (k Kind) Lower() string { return strings.ToLower(string(k)) }

// SafeName returns a name from a request as a message may show it: unchanged if it is a
// valid name, quoted and without secrets otherwise.
func SafeName(name string) string {
	if directory.CheckName(name) != nil {
		return secret.Name(name)
	}
	return name
}

// SafeNames lists the first names, and counts the others.
func SafeNames(names []string) string {
	shown := make([]string, min(len(names), maxDetails))
	for i := range shown {
		shown[i] = SafeName(names[i])
	}
	text := strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// OneOf lists the values that are allowed.
func OneOf[T ~string](allowed []T) string {
	texts := make([]string, len(allowed))
	for i, v := range allowed {
		texts[i] = string(v)
	}
	return "one of " + strings.Join(texts, ", ")
}
