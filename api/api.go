package api

import (
	"net/http"
	"slices"

	"usher/api/bans"
	"usher/api/openapi"
	"usher/api/rest"
)

// New returns the API as a handler for everything under /v1.
func New(cfg Config) (http.Handler, error) { //nolint:gocritic // the API keeps the copy
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	s := &service{cfg: cfg}
	routes := routesOf(&cfg, s)
	router, err := rest.NewRouter(cfg.rest(), routes)
	if err != nil {
		return nil, err
	}
	s.openAPI, err = openapi.Document(slices.Concat(routes, X509Routes()), cfg.Version, cfg.KeyIn)
	return router, err
}

// Routes returns the routes of the listener for API keys, in the order of the documents.
func Routes() []rest.Route { return routesOf(&Config{}, &service{}) }

func routesOf(cfg *Config, s *service) []rest.Route {
	push := cfg.push()
	users, projects, messages := cfg.users(), cfg.projects(push), cfg.messages()
	return slices.Concat(
		s.routes(),
		projects.ProjectRoutes(), messages.ProjectRoutes(), users.MemberRoutes(),
		projects.TopicRoutes(), messages.TopicRoutes(), projects.SubscriptionRoutes(), messages.SubscriptionRoutes(), push.Routes(), push.WorkerRoutes(),
		users.UserRoutes(), users.KeyRoutes(), users.OtherKeyRoutes(),
		cfg.sessions().Routes(), bans.Routes(),
		cfg.bulk(projects, push).Routes(),
	)
}
