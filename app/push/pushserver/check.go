package pushserver

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"usher/app/push/amssource"
	"usher/app/push/pushpb"
	"usher/directory"
)

// The values of AMS, and its defaults.
const (
	pushHTTP           = "http_endpoint"
	pushMattermost     = "mattermost"
	retryLinear        = "linear"
	retrySlowstart     = "slowstart"
	defaultRetryPeriod = 3000 // milliseconds
)

// The limits of what a request holds.
const (
	maxText     = 2048 // bytes of an address, a name or a header
	maxMessages = 1000 // of one push; more are as many
)

// subscriptionOf converts what is to be activated. Its errors say why it cannot be pushed,
// with the words of AMS, and quote no part of an address.
func subscriptionOf(in *pushpb.Subscription) (*amssource.Subscription, error) {
	p := in.GetPushConfig()
	if p == nil || p.GetRetryPolicy() == nil {
		return nil, errors.New("Empty subscription") //nolint:staticcheck // the words of AMS
	}
	name, err := amssource.ParseName(in.GetFullName())
	if err != nil {
		return nil, fmt.Errorf("Invalid argument, %w", err) //nolint:staticcheck // the words of AMS
	}
	sub := &amssource.Subscription{Name: name, Authorization: p.GetAuthorizationHeader(), Push: directory.Push{
		MaxMessages: int(min(p.GetMaxMessages(), maxMessages)), Base64Decode: p.GetBase_64Decode(), Verified: true,
		RetryType: p.GetRetryPolicy().GetType(), RetryPeriod: int(p.GetRetryPolicy().GetPeriod()),
	}}
	switch p.GetType() {
	case pushpb.PushType_HTTP_ENDPOINT:
		sub.Push.Type, sub.Push.Endpoint = pushHTTP, p.GetPushEndpoint()
	case pushpb.PushType_MATTERMOST:
		sub.Push.Type, sub.Push.MattermostURL = pushMattermost, p.GetMattermostUrl()
		sub.Push.MattermostUsername, sub.Push.MattermostChannel = p.GetMattermostUsername(), p.GetMattermostChannel()
	default:
		return nil, errors.New("Invalid argument, type of push") //nolint:staticcheck // as the others
	}
	if err := check(sub); err != nil {
		return nil, err
	}
	return sub, nil
}

// check says why a subscription cannot be pushed, and sets the defaults of AMS.
func check(sub *amssource.Subscription) error {
	p := &sub.Push
	address := p.Endpoint
	if p.Type == pushMattermost {
		address = p.MattermostURL
	}
	if !isAddress(address) {
		return errors.New("Invalid push endpoint, expected https://host/path") //nolint:staticcheck // the words of AMS
	}
	switch {
	case p.MaxMessages < 0:
		return errors.New("Invalid argument, max_messages is negative") //nolint:staticcheck // as the others
	case p.RetryType != retryLinear && p.RetryType != retrySlowstart:
		return fmt.Errorf("Invalid argument, worker %s not yet implemented", printable(p.RetryType)) //nolint:staticcheck // the words of AMS
	case !isHeader(sub.Authorization):
		return errors.New("Invalid argument, authorization_header cannot be a header") //nolint:staticcheck // as the others
	case !isHeader(p.MattermostUsername) || !isHeader(p.MattermostChannel):
		return errors.New("Invalid argument, mattermost_username, mattermost_channel") //nolint:staticcheck // as the others
	}
	p.MaxMessages = max(1, p.MaxMessages)
	switch {
	case p.RetryType == retrySlowstart:
		p.RetryPeriod = 0
	case p.RetryPeriod <= 0:
		p.RetryPeriod = defaultRetryPeriod
	}
	return nil
}

// isAddress reports whether messages can be pushed to an address. Whether usher connects to
// its host is decided when it does.
func isAddress(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.Opaque == "" && u.User == nil && len(address) <= maxText
}

// isHeader reports whether a text can be the value of a header.
func isHeader(text string) bool {
	return len(text) <= maxText && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// printable is a name of a request, for the response to it.
func printable(text string) string {
	const most = 64
	if len(text) > most || strings.ContainsFunc(text, func(r rune) bool { return r < '!' || r > '~' }) {
		return "of this name"
	}
	return text
}
