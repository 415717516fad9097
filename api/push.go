package api

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"usher/api/wire"
	"usher/directory"
	"usher/internal/secret"
)

// maxAckDeadline is AMS's, in seconds.
const maxAckDeadline = 600

// AMS's words in a pushConfig, and its defaults.
const (
	pushHTTP           = "http_endpoint"
	pushMattermost     = "mattermost"
	retryLinear        = "linear"
	retrySlowstart     = "slowstart"
	defaultRetryPeriod = 3000 // milliseconds
	maxPushText        = 2048 // characters of one address
)

// parseTopicName reads "projects/P/topics/T", with or without a slash before it.
func parseTopicName(text string) (project, topic string, ok bool) {
	parts := strings.Split(strings.TrimPrefix(text, "/"), "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[2] != "topics" || !pathName.MatchString(parts[1]) || !pathName.MatchString(parts[3]) {
		return "", "", false
	}
	return parts[1], parts[3], true
}

// pushOf takes a pushConfig over, with AMS's defaults; nil: there is none.
func pushOf(in *wire.PushConfig) (*directory.Push, error) {
	if in.Type == "" && in.PushEndpoint == "" && in.MattermostURL == "" {
		return nil, nil //nolint:nilnil // a subscription that is not pushed is no error
	}
	p := &directory.Push{
		Type: in.Type, Endpoint: in.PushEndpoint, MaxMessages: in.MaxMessages, Base64Decode: in.Base64Decode,
		RetryType: in.RetryPolicy.Type, RetryPeriod: in.RetryPolicy.Period,
		MattermostURL: in.MattermostURL, MattermostUsername: in.MattermostUsername, MattermostChannel: in.MattermostChannel,
	}
	if p.Type == "" {
		p.Type = pushHTTP
	}
	address := p.Endpoint
	switch p.Type {
	case pushHTTP:
		p.MattermostURL, p.MattermostUsername, p.MattermostChannel = "", "", ""
	case pushMattermost:
		p.Endpoint, address = "", p.MattermostURL
	default:
		return nil, invalid("Invalid Push Configuration Arguments")
	}
	if err := checkAddress(address); err != nil {
		f := invalid("Push endpoint should be addressed by a valid https url")
		f.details = []string{err.Error()}
		return nil, f
	}
	if p.RetryType == "" {
		p.RetryType = retryLinear
	}
	if !slices.Contains([]string{retryLinear, retrySlowstart}, p.RetryType) || p.MaxMessages < 0 {
		return nil, invalid("Invalid Push Configuration Arguments")
	}
	if p.MaxMessages == 0 {
		p.MaxMessages = 1
	}
	switch {
	case p.RetryType == retrySlowstart:
		p.RetryPeriod = 0
	case p.RetryPeriod <= 0:
		p.RetryPeriod = defaultRetryPeriod
	}
	for _, text := range []string{p.MattermostUsername, p.MattermostChannel} {
		if len(text) > maxPushText || secret.Detect(text) {
			return nil, invalid("Invalid Push Configuration Arguments")
		}
	}
	return p, nil
}

// checkAddress reports why messages cannot be pushed to an address. It shows
// nothing of it.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		return errors.New("expected https://host/path")
	case u.User != nil || secret.Detect(address):
		return errors.New("a secret has no place in the address")
	case len(address) > maxPushText:
		return errors.New("the address is too long")
	default:
		return nil
	}
}
