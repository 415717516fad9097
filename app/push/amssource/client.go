package amssource

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"usher/internal/secret"
)

// The limits of a request.
const (
	timeout   = 30 * time.Second
	maxAnswer = 64 << 20 // bytes
	maxText   = 200      // bytes of a text of the service in an error
)

// A request that failed and may succeed later is made attempts times.
const (
	attempts   = 3
	firstPause = 250 * time.Millisecond
)

// Errors of a Client. Others mean that the service cannot be asked now.
var (
	// ErrGone: the service does not have the project or the subscription.
	ErrGone = errors.New("the messaging service does not have it")
	// ErrDenied: the token is not good.
	ErrDenied = errors.New("the messaging service refuses the token")
	// ErrForbidden: the token may not do that.
	ErrForbidden = errors.New("the messaging service does not let the token do this")
	// ErrAckTimeout: the time for the acknowledgement of a message is over.
	ErrAckTimeout = errors.New("ack timeout")
	// ErrAnswer: the answer is not one of a messaging service.
	ErrAnswer = errors.New("not the answer of a messaging service")
)

// Config says where the messages come from.
type Config struct {
	URL   string                 // without /v1
	Token func() (string, error) // is asked for each request, so that the token can be replaced
	TLS   *tls.Config            // as package tlsfiles makes it; nil: the root CAs of the system
	Log   *slog.Logger
}

// Client calls the API.
type Client struct {
	cfg  Config
	http *http.Client
}

// New makes a client. It connects with the first call.
func New(cfg Config) *Client {
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	transport := &http.Transport{
		TLSClientConfig: cfg.TLS, TLSHandshakeTimeout: timeout / 3, ForceAttemptHTTP2: true,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
	}
	return &Client{cfg: cfg, http: &http.Client{
		Transport: transport, Timeout: timeout,
		// A redirect would take the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call makes a request, again if it failed and may succeed later. path begins with /v1.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	pause := firstPause
	for n := 1; ; n++ {
		again, err := c.once(ctx, method, path, in, out)
		if err == nil || !again || n == attempts {
			return err
		}
		if wait(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// once makes a request once. again says that the same one may succeed later.
func (c *Client) once(ctx context.Context, method, path string, in, out any) (again bool, err error) {
	token, err := c.cfg.Token()
	if err != nil {
		return false, fmt.Errorf("token_file: %w", err)
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return false, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.cfg.URL+path, body)
	if err != nil {
		return false, err
	}
	req.Header.Set("x-api-key", token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return ctx.Err() == nil, fmt.Errorf("messaging service %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return ctx.Err() == nil, fmt.Errorf("messaging service %s: %w", req.URL.Host, err)
	case len(text) > maxAnswer:
		return false, fmt.Errorf("messaging service %s: %w: it has more than %d bytes", req.URL.Host, ErrAnswer, maxAnswer)
	case resp.StatusCode != http.StatusOK:
		return mayPass(resp.StatusCode), fmt.Errorf("messaging service %s: %w", req.URL.Host, failure(resp.StatusCode, text, token))
	case out == nil:
		return false, nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return false, fmt.Errorf("messaging service %s: %w: no JSON of the expected form", req.URL.Host, ErrAnswer)
	}
	return false, nil
}

// withoutURL is the cause of an error of net/http, without the address of the request.
func withoutURL(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// mayPass reports whether a request with this status may succeed later.
func mayPass(status int) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// failure is the error of an answer with a status other than 200.
func failure(status int, text []byte, token string) error {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(text, &answer) // another program may have answered
	said := fmt.Sprintf("status %d", status)
	if m := answer.Error.Message; m != "" {
		said += ": " + secret.NewFilter(token).Text(m, maxText)
	}
	switch {
	case status == http.StatusNotFound && answer.Error.Message != "": // and not a proxy, which would end the subscription
		return fmt.Errorf("%w: %s", ErrGone, said)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%w: %s", ErrDenied, said)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: %s", ErrForbidden, said)
	case status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: %s", ErrAckTimeout, said)
	default:
		return errors.New(said)
	}
}

// wait waits for a time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
