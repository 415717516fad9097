// Package natscontext reads and writes contexts of the nats CLI: JSON files with the address
// of a nats-server and the credentials of one client (package natscontext of
// github.com/nats-io/jsm.go). It makes no connection.
//
// It promises that a context that Read returns means what it means to the nats CLI: a key
// that would change the connection and that usher does not support is an error, and is never
// ignored. Its errors contain no credential.
package natscontext

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// Context is what usher uses of a context. Values are as in the file: a path can begin with
// ~ or contain variables, and a secret can be a reference to a file.
type Context struct {
	Description string `json:"description,omitempty"`
	URL         string `json:"url"` // URLs of servers, separated by commas
	Token       string `json:"token,omitempty"`
	User        string `json:"user,omitempty"`
	Password    string `json:"password,omitempty"`
	Creds       string `json:"creds,omitempty"`
	NKey        string `json:"nkey,omitempty"`
	UserJWT     string `json:"user_jwt,omitempty"`
	UserSeed    string `json:"user_seed,omitempty"`
	Cert        string `json:"cert,omitempty"`
	Key         string `json:"key,omitempty"`
	CA          string `json:"ca,omitempty"`
	TLSFirst    bool   `json:"tls_first,omitempty"`
	Domain      string `json:"jetstream_domain,omitempty"`
	InboxPrefix string `json:"inbox_prefix,omitempty"`

	path string // of the file that it was read from
	env  Environment
}

// Encode returns the content of a file for the nats CLI.
func (x *Context) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(x) //nolint:gosec // the nats CLI has passwords there; it cannot fail: strings and a boolean only
	return b.Bytes()
}

// LocalURL returns the URL by which this machine reaches the listener of a nats-server.
func LocalURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("listen address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, port), nil
}

// schemeFile begins a secret that is in a file. nats CLI 0.5 and later read it there.
const schemeFile = "file://"

// FileReference returns the value for a token or a password that is in a file.
func FileReference(path string) string { return schemeFile + filepath.ToSlash(path) }

// CanName reports whether the nats CLI opens the file at a path that a context contains. It
// replaces variables in the path, without a way to escape a $, and takes a reference with a
// percent sign for a URL that is encoded.
func CanName(path string) bool { return !strings.ContainsAny(path, "$%") }
