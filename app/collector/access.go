package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"usher/app/config"
	"usher/internal/ownedfile"
	"usher/internal/secretfile"
	"usher/internal/tlsfiles"
)

// Access is how to reach the collector.
type Access struct {
	url     string // that spans are posted to; empty: nothing is traced
	client  *http.Client
	headers map[string]string
}

// Load reads the files of the configuration's tracing section.
func Load(cfg *config.Config) (*Access, error) {
	headers, err := readHeaders(cfg.Tracing.HeadersFile, cfg.Keyring.AllowGroupReadable)
	if err != nil {
		return nil, fmt.Errorf("tracing.headers_file: %w", err)
	}
	files := cfg.Tracing.TLS
	secured, err := tlsfiles.Client(tlsfiles.Files{CA: files.CAFile, Cert: files.CertFile, Key: files.KeyFile, AllowGroupReadable: cfg.Keyring.AllowGroupReadable})
	if err != nil {
		return nil, fmt.Errorf("tracing.tls.%w", err)
	}
	var url string
	if cfg.Tracing.Endpoint != "" {
		url = strings.TrimSuffix(cfg.Tracing.Endpoint, "/") + "/v1/traces"
	}
	return &Access{
		url: url, headers: headers,
		client: &http.Client{
			Timeout:   sendTimeout,
			Transport: &http.Transport{TLSClientConfig: secured, ForceAttemptHTTP2: true, MaxIdleConns: 1, TLSHandshakeTimeout: sendTimeout},
			// Headers are for this collector alone.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Probe sends an export without spans, and returns an error if the collector does not accept it.
func (a *Access) Probe(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, http.NoBody)
	if err != nil {
		return err
	}
	for name, value := range a.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf") // an empty body is an empty message
	defer a.client.CloseIdleConnections()
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // not read
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s returns HTTP %d", a.url, res.StatusCode)
	}
	return nil
}

// secrets returns the values of the headers, which no message may show.
func (a *Access) secrets() []string {
	var values []string
	for _, v := range a.headers {
		values = append(values, v)
	}
	return values
}

// readHeaders reads a file with one "name: value" per line. Its errors quote nothing.
func readHeaders(path string, allowGroup bool) (map[string]string, error) {
	if path == "" {
		return nil, nil
	}
	text, _, err := ownedfile.Read(path, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Pipe: true, Max: secretfile.MaxSize})
	if err != nil {
		return nil, unreadable(err)
	}
	headers := map[string]string{}
	number := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		number++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !found || value == "" || !isHeaderName(name) || strings.ContainsFunc(value, isControl):
			return nil, fmt.Errorf("line %d is not a header: write it as name: value", number)
		case strings.HasPrefix(name, "Content-") || name == "Host" || name == "Transfer-Encoding":
			return nil, fmt.Errorf("line %d has a header that usher sets itself", number)
		case headers[name] != "":
			return nil, fmt.Errorf("line %d repeats a header", number)
		}
		headers[name] = value
	}
	if len(headers) == 0 {
		return nil, errors.New("the file is empty")
	}
	return headers, nil
}

// isHeaderName reports whether text is a token of RFC 9110 section 5.6.2.
func isHeaderName(text string) bool {
	return text != "" && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// unreadable hides a path that cannot be read: it may be the secret itself.
func unreadable(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return secretfile.Unreadable(err)
	}
	return err
}
