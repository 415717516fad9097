package api

import (
	"net/http"

	"usher/api/authx509"
	"usher/api/rest"
)

// NewX509 returns the handler of the listener that asks clients for their certificates. It
// serves X509Routes and nothing else.
func NewX509(cfg Config, x authx509.Config) (http.Handler, error) { //nolint:gocritic // the API keeps the copy
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	return rest.NewRouter(cfg.rest(), authx509.Routes(x))
}

// X509Routes returns the routes of the listener for client certificates.
func X509Routes() []rest.Route { return authx509.Routes(authx509.Config{}) }
