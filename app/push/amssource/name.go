package amssource

import (
	"errors"
	"regexp"
	"strings"
)

// ErrName: not the full name of a subscription.
var ErrName = errors.New("not the full name of a subscription: expected /projects/PROJECT/subscriptions/SUBSCRIPTION")

// name matches the characters of a name.
var name = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// isName reports whether AMS accepts a text as a name. Nothing else reaches the path of a
// request. The length is not in the expression: {1,255} takes some milliseconds to compile.
func isName(text string) bool { return len(text) <= 255 && name.MatchString(text) }

// Name is the name of a subscription in its project.
type Name struct{ Project, Subscription string }

// ParseName parses a full name.
func ParseName(full string) (Name, error) {
	parts := strings.Split(full, "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "projects" || parts[3] != "subscriptions" ||
		!isName(parts[2]) || !isName(parts[4]) {
		return Name{}, ErrName
	}
	return Name{Project: parts[2], Subscription: parts[4]}, nil
}

// String returns the full name.
func (n Name) String() string { return "/projects/" + n.Project + "/subscriptions/" + n.Subscription }
