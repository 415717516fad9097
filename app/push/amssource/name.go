package amssource

import (
	"errors"
	"regexp"
	"strings"
)

// ErrName: not the full name of a subscription.
var ErrName = errors.New("not the full name of a subscription: expected /projects/PROJECT/subscriptions/SUBSCRIPTION")

// name is what AMS accepts as a name. Nothing else reaches the path of a request.
var name = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// Name is the name of a subscription in its project.
type Name struct{ Project, Subscription string }

// ParseName parses a full name.
func ParseName(full string) (Name, error) {
	parts := strings.Split(full, "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "projects" || parts[3] != "subscriptions" ||
		!name.MatchString(parts[2]) || !name.MatchString(parts[4]) {
		return Name{}, ErrName
	}
	return Name{Project: parts[2], Subscription: parts[4]}, nil
}

// String returns the full name.
func (n Name) String() string { return "/projects/" + n.Project + "/subscriptions/" + n.Subscription }
