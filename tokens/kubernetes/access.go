package kubernetes

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"usher/internal/ownedfile"
	"usher/internal/secretfile"
	"usher/tokens/backend"
)

// access is how usher reaches the API server: over connections that trust the CA of the
// cluster, and with the token of its own service account. Kubernetes replaces both files
// while usher runs.
type access struct {
	tokenFile string
	http      backend.HTTPConfig

	mu     sync.Mutex
	ca     string // that client trusts
	client *http.Client
}

const maxFile = 1 << 20 // bytes

// current reads the files, and returns a client and the bearer token.
func (a *access) current() (*http.Client, string, error) {
	bearer, err := read(a.tokenFile)
	if err == nil && (bearer == "" || strings.ContainsAny(bearer, "\r\n ")) {
		err = errors.New("does not contain one token")
	}
	if err != nil {
		return nil, "", fmt.Errorf("token_file: %w", err)
	}
	client, err := a.trusting()
	return client, bearer, err
}

// trusting returns a client that trusts what the CA file has now.
func (a *access) trusting() (*http.Client, error) {
	ca := ""
	if a.http.CAFile != "" {
		var err error
		if ca, err = read(a.http.CAFile); err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil && ca == a.ca {
		return a.client, nil
	}
	client, err := backend.NewHTTPClient(a.http)
	if err != nil {
		return nil, err
	}
	if a.client != nil {
		a.client.CloseIdleConnections()
	}
	a.ca, a.client = ca, client
	return client, nil
}

// read reads a file that only root and the user of this process can write. It may be
// readable by others, even the token: so Kubernetes mounts it, for the containers of one
// pod.
func read(path string) (string, error) {
	text, _, err := ownedfile.Read(path, ownedfile.Rule{Max: maxFile})
	return strings.TrimSpace(string(text)), secretfile.HidePath(err)
}
