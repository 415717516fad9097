package client

import "strings"

// apiPath is a path of the API, built from constant words and from names.
type apiPath struct {
	text string
	err  error // ErrName: one of the names is invalid
}

// pathTo returns the path of constant words.
func pathTo(words string) apiPath { return apiPath{text: "/v1/" + words} }

// name appends the name of a resource. It accepts only letters, digits, '-' and '_', since
// other names would address another route: "a:refreshToken" has a custom method, and "../x"
// leaves the path.
func (p apiPath) name(name string) apiPath {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isNameRune(r) }) {
		p.err = ErrName
	}
	p.text += "/" + name
	return p
}

func isNameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// append appends constant text, such as "/topics" or ":acl".
func (p apiPath) append(text string) apiPath {
	p.text += text
	return p
}

func projectPath(name string) apiPath { return pathTo("projects").name(name) }

func memberPath(project, name string) apiPath {
	return projectPath(project).append("/members").name(name)
}

func topicPath(project, name string) apiPath {
	return projectPath(project).append("/topics").name(name)
}

func subscriptionPath(project, name string) apiPath {
	return projectPath(project).append("/subscriptions").name(name)
}

func userPath(name string) apiPath { return pathTo("users").name(name) }

func keyPath(user, name string) apiPath { return userPath(user).append("/keys").name(name) }
