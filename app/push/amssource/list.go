package amssource

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"usher/directory"
)

// Subscription is a push-enabled subscription of the service.
type Subscription struct {
	Name          Name
	Push          directory.Push
	Authorization string // value of the Authorization header; empty: none
}

// The types of AMS.
const (
	typeHTTP       = "http_endpoint"
	typeMattermost = "mattermost"
)

type pushConfig struct {
	Type          string `json:"type"`
	Endpoint      string `json:"pushEndpoint"`
	MaxMessages   int    `json:"maxMessages"`
	Verified      bool   `json:"verified"`
	Base64Decode  bool   `json:"base64Decode"`
	Authorization struct {
		Value string `json:"value"`
	} `json:"authorizationHeader"`
	Retry struct {
		Type   string `json:"type"`
		Period int    `json:"period"`
	} `json:"retryPolicy"`
	MattermostURL      string `json:"mattermostUrl"`
	MattermostUsername string `json:"mattermostUsername"`
	MattermostChannel  string `json:"mattermostChannel"`
}

// List returns the subscriptions that the owner of the token has to push: those in whose ACL
// it is, which have a push configuration and a verified endpoint. It asks for the profile of
// the owner by header; the push server of AMS puts the token into a path instead.
func (c *Client) List(ctx context.Context) ([]Subscription, error) {
	var profile struct {
		Projects []struct {
			Project       string   `json:"project"`
			Subscriptions []string `json:"subscriptions"`
		} `json:"projects"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1/users/profile", nil, &profile); err != nil {
		return nil, err
	}
	var out []Subscription
	for _, p := range profile.Projects {
		for _, s := range p.Subscriptions {
			full := Name{Project: p.Project, Subscription: s}.String()
			n, err := ParseName(full)
			if err != nil {
				return nil, err
			}
			sub, err := c.show(ctx, n)
			switch {
			case errors.Is(err, ErrGone):
			case err != nil:
				return nil, err
			case sub != nil:
				out = append(out, *sub)
			}
		}
	}
	return out, nil
}

// show returns a subscription; nil: it is not to be pushed.
func (c *Client) show(ctx context.Context, n Name) (*Subscription, error) {
	var sub struct {
		Push pushConfig `json:"pushConfig"`
	}
	if err := c.call(ctx, http.MethodGet, "/v1"+n.String(), nil, &sub); err != nil {
		return nil, err
	}
	p := &sub.Push
	switch {
	case p.Type == "" && p.Endpoint == "":
		return nil, nil //nolint:nilnil // a subscription without push is no error
	case p.Type != typeMattermost && !p.Verified:
		c.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "endpoint is not verified", slog.String("subscription", n.String()))
		return nil, nil //nolint:nilnil // nor is one whose endpoint is not verified
	case p.Type == "":
		p.Type = typeHTTP
	}
	return &Subscription{Name: n, Authorization: p.Authorization.Value, Push: directory.Push{
		Type: p.Type, Endpoint: p.Endpoint, MaxMessages: max(1, p.MaxMessages), Verified: true, Base64Decode: p.Base64Decode,
		RetryType: p.Retry.Type, RetryPeriod: p.Retry.Period,
		MattermostURL: p.MattermostURL, MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
	}}, nil
}
