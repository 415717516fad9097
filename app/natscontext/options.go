package natscontext

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
)

// ErrReference: a value refers to where its secret is, in a way that only the nats CLI knows.
var ErrReference = errors.New("usher reads secrets from the context or from a file (file://PATH), and from nowhere else")

// ErrNoKey: a context has no credential that can be an API key.
var ErrNoKey = errors.New("has neither token nor password")

// Servers returns the URLs of the servers, separated by commas.
func (x *Context) Servers() string { return cmp.Or(x.URL, nats.DefaultURL) }

// APIKey returns the credential that can be an API key: the token, or else the password.
func (x *Context) APIKey() (string, error) {
	switch {
	case x.Token != "":
		return x.secret("token", x.Token)
	case x.Password != "":
		return x.secret("password", x.Password)
	}
	return "", fmt.Errorf("%s %w", x.path, ErrNoKey)
}

// Options returns the options of a connection. It reads all files that the context names.
func (x *Context) Options() ([]nats.Option, error) {
	var opts []nats.Option
	for _, part := range []func() (nats.Option, error){x.login, x.token, x.tls} {
		o, err := part()
		if err != nil {
			return nil, err
		}
		if o != nil {
			opts = append(opts, o)
		}
	}
	if x.InboxPrefix != "" {
		opts = append(opts, nats.CustomInboxPrefix(x.InboxPrefix))
	}
	if x.TLSFirst {
		opts = append(opts, nats.TLSHandshakeFirst())
	}
	return opts, nil
}

// login returns the option of the credential of which a context has one.
func (x *Context) login() (nats.Option, error) {
	switch {
	case x.User != "":
		password, err := x.secret("password", x.Password)
		return nats.UserInfo(x.User, password), err
	case x.Creds != "":
		path, err := x.secretFile("creds", x.Creds)
		if err != nil {
			return nil, err
		}
		return nats.UserCredentials(path), nil
	case x.NKey != "":
		path, err := x.secretFile("nkey", x.NKey)
		if err != nil {
			return nil, err
		}
		option, err := nats.NkeyOptionFromSeed(path)
		return option, x.fault("nkey", err)
	case x.UserJWT != "":
		jwt, err := x.secret("user_jwt", x.UserJWT)
		if err != nil {
			return nil, err
		}
		seed, err := x.secret("user_seed", x.UserSeed)
		if err != nil {
			return nil, err
		}
		if seed == "" { // a bearer
			return nats.UserJWT(func() (string, error) { return jwt, nil }, func([]byte) ([]byte, error) { return nil, nil }), nil
		}
		return nats.UserJWTAndSeed(jwt, seed), nil
	}
	return nil, nil //nolint:nilnil // a certificate, a token or nothing
}

// token returns the option of the token, which can come with another credential, such as the
// sentinel of an operator.
func (x *Context) token() (nats.Option, error) {
	if x.Token == "" {
		return nil, nil //nolint:nilnil // a token is optional
	}
	token, err := x.secret("token", x.Token)
	return nats.Token(token), err
}

// tls returns the option of the certificates. Files that other users could have written are
// refused: they say which server is trusted.
func (x *Context) tls() (nats.Option, error) {
	if x.CA == "" && x.Cert == "" {
		return nil, nil //nolint:nilnil // certificates are optional
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if x.CA != "" {
		pem, _, err := ownedfile.Read(x.expand(x.CA), ownedfile.Rule{})
		if err != nil {
			return nil, x.fault("ca", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, x.fault("ca", errors.New("has no certificate"))
		}
	}
	if x.Cert != "" {
		if err := ownedfile.Check(x.expand(x.Key), ownedfile.Rule{Secret: true}); err != nil {
			return nil, x.fault("key", err)
		}
		pair, err := tls.LoadX509KeyPair(x.expand(x.Cert), x.expand(x.Key))
		if err != nil {
			return nil, x.fault("cert, key", secretfile.WithoutPath(err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return nats.Secure(c), nil
}

// secret returns a value, or the line of the file that it refers to.
func (x *Context) secret(key, value string) (string, error) {
	if strings.HasPrefix(value, schemeFile) {
		text, err := secretfile.ReadNamed(x.expand(value), false)
		return text, x.fault(key, err)
	}
	return value, x.checkScheme(key, value)
}

// secretFile returns the path of a file with a secret, which only its owner can read.
func (x *Context) secretFile(key, value string) (string, error) {
	if err := x.checkScheme(key, value); err != nil {
		return "", err
	}
	path := x.expand(value)
	return path, x.fault(key, ownedfile.Check(path, ownedfile.Rule{Secret: true}))
}

// checkScheme refuses a reference that the nats CLI would resolve in another way.
func (x *Context) checkScheme(key, value string) error {
	u, err := url.Parse(value)
	if err == nil && slices.Contains([]string{"env", "data", "op", "nsc"}, u.Scheme) {
		return x.fault(key, fmt.Errorf("%s: %w", u.Scheme, ErrReference))
	}
	return nil
}

// expand returns a path as the nats CLI opens it.
func (x *Context) expand(path string) string {
	path = os.Expand(strings.TrimPrefix(path, schemeFile), x.env.Getenv)
	if rest, ok := strings.CutPrefix(path, "~"); ok && x.env.Home != "" {
		return x.env.Home + rest
	}
	return path
}

// fault adds file and key to an error.
func (x *Context) fault(key string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", x.path, key, err)
}
