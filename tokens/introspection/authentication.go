package introspection

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"usher/internal/secretfile"
	"usher/tokens/backend"
)

// Method is how usher authenticates itself to the endpoint.
type Method string

// The methods. The names are those of OpenID Connect Core section 9, where it has them.
const (
	MethodBasic         Method = "basic"           // client_secret_basic
	MethodPost          Method = "post"            // client_secret_post
	MethodPrivateKeyJWT Method = "private_key_jwt" // RFC 7523
	MethodTLS           Method = "tls"             // RFC 8705 section 2
	MethodBearer        Method = "bearer"          // a token of usher's own
	MethodNone          Method = "none"            // only on loopback
)

// Authentication is how usher authenticates itself to the endpoint.
type Authentication struct {
	Method           Method
	ClientID         string // all but bearer and none
	ClientSecretFile string // basic and post
	TokenFile        string // bearer

	KeyFile   string // private_key_jwt: a private key, PEM or JWK
	Algorithm string // private_key_jwt: default that of the key
	KeyID     string // private_key_jwt: default that of a JWK
	Audience  string // private_key_jwt: default the URL of the endpoint

	AllowGroupReadable bool // the group of the files may read them
}

// authenticator adds what authenticates usher to a request.
type authenticator func(header http.Header, body url.Values) error

// prepare checks the configuration and reads its files. Secrets are read again for each
// request, so that a replaced one is used.
func (a *Authentication) prepare(endpoint string, files *backend.HTTPConfig, now func() time.Time) (authenticator, error) {
	switch a.Method {
	case MethodBasic, MethodPost, MethodPrivateKeyJWT, MethodTLS:
		if a.ClientID == "" {
			return nil, fmt.Errorf("client_id: must be set for authentication %s", a.Method)
		}
	case MethodBearer, MethodNone:
	}
	switch a.Method {
	case MethodBasic:
		return a.basic()
	case MethodPost:
		return a.post()
	case MethodPrivateKeyJWT:
		return a.privateKeyJWT(endpoint, now)
	case MethodTLS:
		if files.CertFile == "" {
			return nil, errors.New("cert_file: must be set for authentication tls")
		}
		return func(_ http.Header, body url.Values) error {
			body.Set("client_id", a.ClientID)
			return nil
		}, nil
	case MethodBearer:
		return a.bearer()
	case MethodNone:
		u, err := url.Parse(endpoint)
		if err != nil || !backend.IsLoopback(u.Hostname()) {
			return nil, errors.New("authentication: none is for an endpoint on a loopback address only")
		}
		return func(http.Header, url.Values) error { return nil }, nil
	}
	return nil, errors.New("authentication: must be one of basic, post, private_key_jwt, tls, bearer, none")
}

// basic encodes id and secret as a form before it joins them (RFC 6749 section 2.3.1).
func (a *Authentication) basic() (authenticator, error) {
	secret, err := a.secretOf("client_secret_file", a.ClientSecretFile)
	return func(header http.Header, _ url.Values) error {
		text, err := secret()
		if err != nil {
			return err
		}
		var req http.Request
		req.Header = header
		req.SetBasicAuth(url.QueryEscape(a.ClientID), url.QueryEscape(text))
		return nil
	}, err
}

func (a *Authentication) post() (authenticator, error) {
	secret, err := a.secretOf("client_secret_file", a.ClientSecretFile)
	return func(_ http.Header, body url.Values) error {
		text, err := secret()
		if err != nil {
			return err
		}
		body.Set("client_id", a.ClientID)
		body.Set("client_secret", text)
		return nil
	}, err
}

func (a *Authentication) bearer() (authenticator, error) {
	secret, err := a.secretOf("token_file", a.TokenFile)
	return func(header http.Header, _ url.Values) error {
		text, err := secret()
		if err != nil {
			return err
		}
		header.Set("Authorization", "Bearer "+text)
		return nil
	}, err
}

// secretOf returns a function that reads the file, and the error of the first reading.
func (a *Authentication) secretOf(key, path string) (func() (string, error), error) {
	if path == "" {
		return nil, fmt.Errorf("%s: must be set for authentication %s", key, a.Method)
	}
	read := func() (string, error) {
		text, err := secretfile.Read(path, a.AllowGroupReadable)
		if err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
		return text, nil
	}
	_, err := read()
	return read, err
}
