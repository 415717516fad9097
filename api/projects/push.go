package projects

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"usher/api/apierror"
	"usher/api/wire"
	"usher/directory"
	"usher/internal/secret"
)

// The values of AMS in a pushConfig, and its defaults.
const (
	pushHTTP           = "http_endpoint"
	pushMattermost     = "mattermost"
	retryLinear        = "linear"
	retrySlowstart     = "slowstart"
	defaultRetryPeriod = 3000 // milliseconds
	maxPushText        = 2048 // bytes of one address or name
)

// pushFrom converts a pushConfig, with the defaults of AMS; nil: there is none.
func pushFrom(in *wire.PushConfig) (*directory.Push, error) {
	if in.Type == "" && in.PushEndpoint == "" && in.MattermostURL == "" {
		return nil, nil //nolint:nilnil // a subscription without push is no error
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
		return nil, invalidPush("type: expected " + pushHTTP + " or " + pushMattermost)
	}
	if err := checkAddress(address); err != nil {
		return nil, apierror.Invalid("Push endpoint should be addressed by a valid https url").WithDetails(err.Error())
	}
	if p.RetryType == "" {
		p.RetryType = retryLinear
	}
	if !slices.Contains([]string{retryLinear, retrySlowstart}, p.RetryType) {
		return nil, invalidPush("retryPolicy.type: expected " + retryLinear + " or " + retrySlowstart)
	}
	if p.MaxMessages < 0 {
		return nil, invalidPush("maxMessages: expected a positive number, or 0 for 1")
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
			return nil, invalidPush(fmt.Sprintf("mattermostUsername, mattermostChannel: expected at most %d bytes, and no secret", maxPushText))
		}
	}
	return p, nil
}

func invalidPush(reason string) *apierror.Error {
	return apierror.Invalid("Invalid Push Configuration Arguments").WithDetails(reason)
}

// checkAddress checks an address that messages are pushed to. The error quotes none of it.
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		return errors.New("expected https://host/path")
	case u.User != nil || secret.Detect(address):
		return errors.New("the address must not contain a secret")
	case len(address) > maxPushText:
		return errors.New("the address is too long")
	default:
		return nil
	}
}
