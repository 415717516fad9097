package natscontext

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"usher/internal/ownedfile"
	"usher/internal/strictjson"
)

// maxSize is the largest context that is read, in bytes.
const maxSize = 64 << 10

// ErrUnsupported: a context has a key that the nats CLI uses to connect, and usher does not.
var ErrUnsupported = errors.New("usher does not support this key of the nats CLI")

// ErrCredentials: a context has credentials that exclude each other.
var ErrCredentials = errors.New("the nats CLI uses only one of these credentials")

// Environment is what the nats CLI takes from the environment of its user.
type Environment struct {
	Getenv func(string) string // for variables in paths
	Home   string              // for a path that begins with ~
}

// Read returns the context in a file. It refuses a file that other users can write, and one
// with a secret that they can read.
func Read(path string, env Environment) (*Context, error) {
	text, _, err := ownedfile.Read(path, ownedfile.Rule{Max: maxSize})
	if err != nil {
		return nil, err
	}
	x := &Context{path: path, env: env}
	if err := x.decode(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if x.hasSecret() {
		if err := ownedfile.Check(path, ownedfile.Rule{Secret: true}); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// decode reads all keys. The nats CLI writes those that are not set, too, as empty values.
func (x *Context) decode(text []byte) error {
	var values map[string]json.RawMessage
	if err := strictjson.Decode(text, &values); err != nil {
		return err
	}
	known := map[string]any{
		"description": &x.Description, "url": &x.URL, "token": &x.Token, "user": &x.User, "password": &x.Password,
		"creds": &x.Creds, "nkey": &x.NKey, "user_jwt": &x.UserJWT, "user_seed": &x.UserSeed,
		"cert": &x.Cert, "key": &x.Key, "ca": &x.CA, "tls_first": &x.TLSFirst,
		"jetstream_domain": &x.Domain, "inbox_prefix": &x.InboxPrefix,
		"name": new(string), "color_scheme": new(string), "jetstream_event_prefix": new(string), // usher has no use for them
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		field, ok := known[key]
		switch {
		case !ok && isEmpty(value):
		case !ok:
			return fmt.Errorf("%s: %w", key, ErrUnsupported)
		case json.Unmarshal(value, field) != nil:
			return fmt.Errorf("%s: expected %s", key, map[bool]string{true: "true or false", false: "a string"}[key == "tls_first"])
		}
	}
	return x.check()
}

// isEmpty reports whether a value stands for a key that is not set.
func isEmpty(value json.RawMessage) bool {
	return slices.Contains([]string{`""`, "false", "null", "[]", "{}", "0"}, strings.TrimSpace(string(value)))
}

// check returns an error for values of which the nats CLI would ignore one.
func (x *Context) check() error {
	var kinds []string
	for _, c := range []struct{ key, value string }{{"user", x.User}, {"creds", x.Creds}, {"nkey", x.NKey}, {"user_jwt", x.UserJWT}} {
		if c.value != "" {
			kinds = append(kinds, c.key)
		}
	}
	switch {
	case len(kinds) > 1:
		return fmt.Errorf("%s: %w", strings.Join(kinds, ", "), ErrCredentials)
	case x.Password != "" && x.User == "":
		return errors.New("password: the nats CLI ignores it without user")
	case x.UserSeed != "" && x.UserJWT == "":
		return errors.New("user_seed: the nats CLI ignores it without user_jwt")
	case (x.Cert == "") != (x.Key == ""):
		return errors.New("cert, key: the nats CLI ignores one without the other")
	}
	return nil
}

// hasSecret reports whether a secret itself is in the context, and no reference to it.
func (x *Context) hasSecret() bool {
	return slices.ContainsFunc([]string{x.Token, x.Password, x.UserSeed}, func(value string) bool {
		return value != "" && !strings.HasPrefix(value, schemeFile)
	}) || strings.Contains(x.URL, "@") || x.User != "" && x.Password == "" // such a user name can be a token
}
