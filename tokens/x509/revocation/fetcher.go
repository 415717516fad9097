package revocation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"usher/tokens"
)

// maxFetches is how many requests to CAs run at once.
const maxFetches = 16

// fetcher asks the hosts of CAs. RFC 5280 and RFC 6960 use plain HTTP there, because the
// answers are signed, and because HTTPS would need a certificate that is checked in turn.
type fetcher struct {
	client  *http.Client
	allowed []string
	now     func() time.Time
	slots   chan struct{}

	mu    sync.Mutex
	hosts map[string]*host // those that were asked; all are allowed
}

type host struct {
	down     time.Time // not asked before; zero: it answered
	failure  string    // empty: it answered
	requests uint64
	failures uint64
	waiting  int
}

func newFetcher(cfg *Config) (*fetcher, error) {
	f := &fetcher{allowed: slices.Clone(cfg.Hosts), now: cfg.Now, slots: make(chan struct{}, maxFetches), hosts: map[string]*host{}}
	if cfg.Responder != "" {
		u, err := url.Parse(cfg.Responder)
		if err != nil || !isHTTP(u) {
			return nil, errors.New("the OCSP responder must be a URL with http or https")
		}
		f.allowed = append(f.allowed, u.Host)
	}
	f.client = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			MaxConnsPerHost:        maxFetches,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true, // a small body must not become a large one
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f, nil
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
}

// allows reports whether the configuration allows to ask the host of a URL.
func (f *fetcher) allows(text string) bool {
	u, err := url.Parse(text)
	if err != nil || !isHTTP(u) {
		return false
	}
	standard := u.Port() == "" || u.Port() == "80" || u.Port() == "443"
	return slices.ContainsFunc(f.allowed, func(a string) bool {
		return strings.EqualFold(a, u.Host) || standard && strings.EqualFold(a, u.Hostname())
	})
}

// do sends a request, and returns a body of up to limit bytes with its type. It asks no
// host that failed a moment ago.
func (f *fetcher) do(ctx context.Context, method, at, contentType string, body []byte, limit int64) (answer []byte, kind string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil || !f.allows(at) {
		return nil, "", errors.New("the URL may not be asked")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	if err := f.enter(req.URL.Host); err != nil {
		return nil, "", err
	}
	answer, kind, up, err := f.exchange(req, limit)
	f.leave(req.URL.Host, up, err)
	return answer, kind, err
}

// exchange also reports whether the host works, whatever it answered.
func (f *fetcher) exchange(req *http.Request, limit int64) (body []byte, kind string, up bool, err error) {
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, "", false, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return nil, "", resp.StatusCode < http.StatusInternalServerError, fmt.Errorf("%s answered %s", req.URL.Host, resp.Status)
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, "", false, fmt.Errorf("%s: %w", req.URL.Host, err)
	case int64(len(body)) > limit:
		return nil, "", true, fmt.Errorf("%s answered with more than %d bytes", req.URL.Host, limit)
	}
	kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type")) // empty: none that counts
	return body, kind, true, nil
}

func (f *fetcher) enter(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[name]
	if h == nil {
		h = &host{}
		f.hosts[name] = h
	}
	if f.now().Before(h.down) {
		return fmt.Errorf("%s failed a moment ago: %s", name, h.failure)
	}
	h.requests++
	h.waiting++
	return nil
}

func (f *fetcher) leave(name string, up bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.hosts[name]
	h.waiting--
	h.failure, h.down = "", time.Time{}
	if err != nil {
		h.failure = err.Error()
		h.failures++
	}
	if !up {
		h.down = f.now().Add(retryAfter)
	}
}

func (f *fetcher) status() []tokens.BackendStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []tokens.BackendStatus
	for name, h := range f.hosts {
		s := tokens.BackendStatus{
			Name: name, Up: h.failure == "", Error: h.failure, Requests: h.requests, Failures: h.failures, Waiting: h.waiting,
			Open: f.now().Before(h.down),
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b tokens.BackendStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
