package collector

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"usher/app/config"
	"usher/internal/ownedfile"
	"usher/internal/secretfile"
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
	secured, err := loadTLS(&cfg.Tracing.TLS, cfg.Keyring.AllowGroupReadable)
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

// loadTLS reads the TLS files. Its errors begin with the name of the key.
func loadTLS(c *config.TracingTLS, allowGroup bool) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		// A user who can replace the file chooses the trusted collector.
		text, _, err := ownedfile.Read(c.CAFile, ownedfile.Rule{Max: maxPEM})
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", unreadable(err))
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("ca_file: contains no certificate in PEM form")
		}
	}
	if c.CertFile == "" {
		return out, nil
	}
	cert, _, err := ownedfile.Read(c.CertFile, ownedfile.Rule{Max: maxPEM})
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", unreadable(err))
	}
	key, _, err := ownedfile.Read(c.KeyFile, ownedfile.Rule{Secret: true, GroupRead: allowGroup, Max: maxPEM})
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", unreadable(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert_file: %w", err)
	}
	out.Certificates = []tls.Certificate{pair}
	return out, nil
}

const maxPEM = 1 << 20

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
