package introspection

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"usher/internal/strictjson"
	"usher/tokens/backend"
)

// maxResponse is the largest response that is read, in bytes.
const maxResponse = 64 << 10

// introspect sends one request (RFC 7662 section 2.1) and returns the members of the
// response.
func (e *endpoint) introspect(ctx context.Context, token string) (map[string]any, error) {
	body := url.Values{"token": {token}}
	if e.hint != "" {
		body.Set("token_type_hint", e.hint)
	}
	header := http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		"Accept":       {"application/json"},
		"User-Agent":   {"usher"},
	}
	if err := e.authenticate(header, body); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, strings.NewReader(body.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := e.client.Do(req)
	if err != nil {
		return nil, backend.Retriable(err) // it is safe to ask twice
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if err := checkStatus(resp); err != nil {
		return nil, err
	}
	var members map[string]any
	if err := backend.ReadJSON(resp, maxResponse, &members); err != nil {
		return nil, err
	}
	return members, nil
}

// errCredentials: RFC 7662 section 2.3 has this for the resource server, which is usher.
var errCredentials = errors.New("the endpoint does not accept usher's own credentials or does not let usher ask")

func checkStatus(resp *http.Response) error {
	status := resp.StatusCode
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("HTTP status %d: %w", status, errCredentials)
	case status == http.StatusBadRequest && isClientError(resp):
		return fmt.Errorf("HTTP status %d, invalid_client: %w", status, errCredentials)
	case status/100 == 3:
		return fmt.Errorf("HTTP status %d: usher follows no redirect; configure the final URL", status)
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return backend.Retriable(fmt.Errorf("HTTP status %d", status))
	default:
		return backend.Unusable(fmt.Errorf("HTTP status %d", status)) // perhaps because of this token
	}
}

// isClientError reports whether an error response (RFC 6749 section 5.2) is about the
// credentials of usher.
func isClientError(resp *http.Response) bool {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	var answer struct {
		Error string `json:"error"`
	}
	return err == nil && strictjson.Decode(body, &answer) == nil &&
		(answer.Error == "invalid_client" || answer.Error == "unauthorized_client")
}
