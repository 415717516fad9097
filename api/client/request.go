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
	"strings"
	"sync/atomic"
)

// Tag is the revision of something that was read. A change that is given one is
// made only if nothing has changed since; the zero Tag sets no condition.
type Tag string

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 20

// request is one call.
type request struct {
	method string
	path   string // behind the server's address
	query  url.Values
	body   any // nil: none
	match  Tag
	err    error // why it cannot be sent
}

// option is something that only some requests have.
type option func(*request)

func body(v any) option    { return func(r *request) { r.body = v } }
func ifMatch(t Tag) option { return func(r *request) { r.match = t } }

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

// place is a path of the API, made of constant words and of names.
type place struct {
	text string
	err  error
}

// path returns the place that constant words lead to.
func path(words string) place { return place{text: "/v1/" + words} }

// name goes on to one thing. A name that holds anything but letters, digits, '-' and
// '_' would lead elsewhere: "a:refreshToken" is a verb, "../x" another place.
func (p place) name(name string) place {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) }) {
		p.err = ErrName
	}
	p.text += "/" + name
	return p
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// to goes on with constant text: "/topics", ":acl".
func (p place) to(text string) place {
	p.text += text
	return p
}

// fetch sends a request and decodes the answer, whose tag it returns too.
func fetch[T any](ctx context.Context, c *Client, method string, at place, with ...option) (*T, Tag, error) {
	answer := new(T)
	tag, err := c.send(ctx, method, at, answer, with)
	if err != nil {
		return nil, "", err
	}
	return answer, tag, nil
}

// tell sends a request whose answer says no more than that it was done.
func (c *Client) tell(ctx context.Context, method string, at place, with ...option) error {
	_, err := c.send(ctx, method, at, nil, with)
	return err
}

// send sends a request. into may be nil: then the body of the answer is not looked at.
func (c *Client) send(ctx context.Context, method string, at place, into any, with []option) (Tag, error) {
	r := request{method: method, path: at.text, err: at.err}
	for _, o := range with {
		o(&r)
	}
	req, err := c.build(ctx, &r)
	if err != nil {
		return "", err
	}
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	answer, err := c.http.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return "", noAnswer(req, err, sent.Load())
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return "", noAnswer(req, err, true)
	case answer.StatusCode/100 != 2:
		return "", errorOf(answer, text)
	case len(text) > maxAnswer:
		return "", fmt.Errorf("%w: it is larger than %d MiB", ErrAnswer, maxAnswer>>20)
	case into != nil && json.Unmarshal(text, into) != nil:
		return "", fmt.Errorf("%w: it is not JSON of that shape", ErrAnswer)
	}
	return Tag(answer.Header.Get("ETag")), nil
}

// noAnswer says why none came, and of a change that was sent that it may be in force.
func noAnswer(req *http.Request, err error, sent bool) error {
	// Without the URL, which is said elsewhere.
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	err = fmt.Errorf("ask %s: %w", req.URL.Host, err)
	if sent && req.Method != http.MethodGet {
		err = fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

func (c *Client) build(ctx context.Context, r *request) (*http.Request, error) {
	if r.err != nil {
		return nil, r.err
	}
	to := c.base + r.path
	if len(r.query) > 0 {
		to += "?" + r.query.Encode()
	}
	var content io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to, content)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	for name, value := range map[string]string{
		"x-api-key": c.key, "If-Match": string(r.match), "User-Agent": c.userAgent,
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}
