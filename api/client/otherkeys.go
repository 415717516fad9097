package client

import (
	"context"
	"net/http"

	"usher/api/wire"
)

// OtherKeys are the keys of one kind of a user that are no API keys: T is one of them, L
// is a page, and In adds one.
type OtherKeys[T, L, In any] struct {
	client   *Client
	all      apiPath
	contents func(*L) ([]T, string)
}

// NKeys returns the nkeys of a user.
func (c *Client) NKeys(user string) OtherKeys[wire.NKey, wire.NKeyList, wire.NKeyInput] {
	return OtherKeys[wire.NKey, wire.NKeyList, wire.NKeyInput]{
		c, userPath(user).append("/nkeys"), func(p *wire.NKeyList) ([]wire.NKey, string) { return p.NKeys, p.NextPageToken },
	}
}

// Certificates returns the certificates of a user.
func (c *Client) Certificates(user string) OtherKeys[wire.Certificate, wire.CertificateList, wire.CertificateInput] {
	return OtherKeys[wire.Certificate, wire.CertificateList, wire.CertificateInput]{
		c, userPath(user).append("/certificates"),
		func(p *wire.CertificateList) ([]wire.Certificate, string) { return p.Certificates, p.NextPageToken },
	}
}

// Bindings returns the bindings of a user.
func (c *Client) Bindings(user string) OtherKeys[wire.Binding, wire.BindingList, wire.BindingInput] {
	return OtherKeys[wire.Binding, wire.BindingList, wire.BindingInput]{
		c, userPath(user).append("/bindings"), func(p *wire.BindingList) ([]wire.Binding, string) { return p.Bindings, p.NextPageToken },
	}
}

// List returns all of them.
func (k OtherKeys[T, L, In]) List(ctx context.Context) ([]T, error) {
	return fetchPages(ctx, k.client, k.all, k.contents)
}

// Get returns one of them.
func (k OtherKeys[T, L, In]) Get(ctx context.Context, name string) (*T, ETag, error) {
	return fetch[T](ctx, k.client, http.MethodGet, k.all.name(name))
}

// Add adds one.
func (k OtherKeys[T, L, In]) Add(ctx context.Context, in *In) (*T, error) {
	added, _, err := fetch[T](ctx, k.client, http.MethodPost, k.all, body(in))
	return added, err
}

// Update changes the terms that in sets.
func (k OtherKeys[T, L, In]) Update(ctx context.Context, name string, in *wire.KeyTerms, etag ETag) (*T, error) {
	changed, _, err := fetch[T](ctx, k.client, http.MethodPut, k.all.name(name), body(in), ifMatch(etag))
	return changed, err
}

// Remove removes one. It is refused from the next connect on.
func (k OtherKeys[T, L, In]) Remove(ctx context.Context, name string, etag ETag) error {
	return k.client.do(ctx, http.MethodDelete, k.all.name(name), ifMatch(etag))
}

// Password returns what there is to know of the password of a user, but for the password
// and its hash.
func (c *Client) Password(ctx context.Context, user string) (*wire.Password, ETag, error) {
	return fetch[wire.Password](ctx, c, http.MethodGet, userPath(user).append("/password"))
}

// SetPassword sets the password of a user, or changes its terms.
func (c *Client) SetPassword(ctx context.Context, user string, in *wire.PasswordInput, etag ETag) (*wire.Password, error) {
	p, _, err := fetch[wire.Password](ctx, c, http.MethodPut, userPath(user).append("/password"), body(in), ifMatch(etag))
	return p, err
}

// RemovePassword removes the password of a user.
func (c *Client) RemovePassword(ctx context.Context, user string, etag ETag) error {
	return c.do(ctx, http.MethodDelete, userPath(user).append("/password"), ifMatch(etag))
}
