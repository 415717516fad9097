package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
)

// ETag is the revision of a resource. A change with an ETag is made only if the resource
// still has it; the zero ETag sets no condition.
type ETag string

// maxResponse is how much of a response is read, in bytes.
const maxResponse = 64 << 20

// request is one call.
type request struct {
	method string
	path   apiPath
	query  url.Values
	body   any // JSON; nil: none
	match  ETag

	idempotencyKey string

	yaml     []byte // a body of YAML; nil: none
	stream   bool   // the response is not JSON, or arrives line by line
	readOnly bool   // the request changes nothing
}

// option sets what only some requests have.
type option func(*request)

func body(v any) option     { return func(r *request) { r.body = v } }
func ifMatch(t ETag) option { return func(r *request) { r.match = t } }

func idempotent(key string) option { return func(r *request) { r.idempotencyKey = key } }

func query(name, value string) option {
	return func(r *request) {
		if value == "" {
			return
		}
		if r.query == nil {
			r.query = url.Values{}
		}
		r.query.Set(name, value)
	}
}

// queries sets a parameter that may be repeated.
func queries(name string, values []string) option {
	return func(r *request) {
		for _, value := range values {
			if r.query == nil {
				r.query = url.Values{}
			}
			r.query.Add(name, value)
		}
	}
}

func newRequest(method string, path apiPath, opts []option) *request {
	r := &request{method: method, path: path, readOnly: method == http.MethodGet}
	for _, o := range opts {
		o(r)
	}
	return r
}

// fetch sends a request, and decodes its response.
func fetch[T any](ctx context.Context, c *Client, method string, path apiPath, opts ...option) (*T, ETag, error) {
	response := new(T)
	etag, err := c.call(ctx, newRequest(method, path, opts), response)
	if err != nil {
		return nil, "", err
	}
	return response, etag, nil
}

// do sends a request, and ignores the body of its response.
func (c *Client) do(ctx context.Context, method string, path apiPath, opts ...option) error {
	_, err := c.call(ctx, newRequest(method, path, opts), nil)
	return err
}

// call sends a request, and decodes its response into v; nil: its body is ignored.
func (c *Client) call(ctx context.Context, r *request, v any) (ETag, error) {
	response, err := c.send(ctx, c.http, r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	switch {
	case err != nil:
		return "", c.transportError(r, err, true)
	case len(text) > maxResponse:
		return "", fmt.Errorf("%w: larger than %d MiB", ErrResponse, maxResponse>>20)
	case v != nil && json.Unmarshal(text, v) != nil:
		return "", fmt.Errorf("%w: not JSON of the expected shape", ErrResponse)
	}
	return ETag(response.Header.Get("ETag")), nil
}

// send sends a request, and returns a successful response. All others are errors.
func (c *Client) send(ctx context.Context, hc *http.Client, r *request) (*http.Response, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	req, err := c.build(httptrace.WithClientTrace(ctx, trace), r)
	if err != nil {
		return nil, err
	}
	response, err := hc.Do(req)
	if err != nil {
		return nil, c.transportError(r, err, sent.Load())
	}
	if response.StatusCode/100 == 2 {
		c.showWarnings(response.Header)
		return response, nil
	}
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	if err != nil {
		return nil, c.transportError(r, err, true)
	}
	return nil, responseError(response, text)
}

// showWarnings hands over the warnings of a response: `299 usher "text"`.
func (c *Client) showWarnings(h http.Header) {
	for _, value := range h.Values("Warning") {
		quoted, ok := strings.CutPrefix(value, "299 usher ")
		if text, err := strconv.Unquote(quoted); ok && err == nil && c.warn != nil {
			c.warn(text)
		}
	}
}

// transportError is the error of a request without a response. sent says whether the server may have
// received the request: then a change may have been made.
func (c *Client) transportError(r *request, err error, sent bool) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err // callers show the address themselves
	}
	err = fmt.Errorf("call %s: %w", c.host, err)
	if sent && !r.readOnly {
		err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return err
}

func (c *Client) build(ctx context.Context, r *request) (*http.Request, error) {
	if r.path.err != nil {
		return nil, r.path.err
	}
	address := c.base + r.path.text
	if len(r.query) > 0 {
		address += "?" + r.query.Encode()
	}
	var content io.Reader
	contentType, accept := "", "application/json"
	switch {
	case r.body != nil:
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		content, contentType = bytes.NewReader(text), "application/json"
	case r.yaml != nil:
		content, contentType = bytes.NewReader(r.yaml), "application/yaml"
	}
	if r.stream {
		accept = "*/*"
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, content)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	for name, value := range map[string]string{
		"x-api-key": c.key, "If-Match": string(r.match), "User-Agent": c.userAgent, "Content-Type": contentType, "Accept": accept, "Idempotency-Key": r.idempotencyKey,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	return req, nil
}
