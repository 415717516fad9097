package push

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"usher/api/apierror"
	"usher/api/wire"
	"usher/directory"
	"usher/internal/outbound"
	"usher/internal/secret"
)

// The values of AMS in a pushConfig, and its defaults.
const (
	retryLinear        = "linear"
	retrySlowstart     = "slowstart"
	defaultRetryPeriod = 3000 // milliseconds
	maxMessages        = 10_000
	maxPeriod          = 24 * 3600 * 1000 // milliseconds
	maxText            = 2048             // bytes of one address or name

	headerAutogen  = "autogen"
	headerDisabled = "disabled"
)

// configuration converts a pushConfig, with the defaults of AMS; nil: there is none. It has
// neither a verification hash nor a header.
func (h *Handlers) configuration(in *wire.PushConfig) (*directory.Push, error) {
	if in.Type == "" && in.PushEndpoint == "" && in.MattermostURL == "" {
		return nil, nil //nolint:nilnil // a subscription without push is no error
	}
	p := &directory.Push{
		Type: in.Type, Endpoint: in.PushEndpoint, MaxMessages: in.MaxMessages, Base64Decode: in.Base64Decode,
		RetryType:     in.RetryPolicy.Type,
		MattermostURL: in.MattermostURL, MattermostUsername: in.MattermostUsername, MattermostChannel: in.MattermostChannel,
	}
	if in.RetryPolicy.Period != nil {
		p.RetryPeriod = *in.RetryPolicy.Period
	}
	if p.Type == "" {
		p.Type = directory.PushHTTP
	}
	address := p.Endpoint
	switch p.Type {
	case directory.PushHTTP:
		p.MattermostURL, p.MattermostUsername, p.MattermostChannel = "", "", ""
	case directory.PushMattermost:
		p.Endpoint, address = "", p.MattermostURL
	default:
		return nil, invalid("type: expected " + directory.PushHTTP + " or " + directory.PushMattermost)
	}
	if err := h.checkAddress(address); err != nil {
		return nil, apierror.Invalid("Push endpoint should be addressed by a valid https url").WithDetails(err.Error())
	}
	if p.RetryType == "" {
		p.RetryType = retryLinear
	}
	if !slices.Contains([]string{retryLinear, retrySlowstart}, p.RetryType) {
		return nil, invalid("retryPolicy.type: expected " + retryLinear + " or " + retrySlowstart)
	}
	if p.MaxMessages < 0 || p.MaxMessages > maxMessages {
		return nil, invalid(fmt.Sprintf("maxMessages: expected 1 to %d, or 0 for 1", maxMessages))
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
	if p.RetryPeriod > maxPeriod {
		return nil, invalid("retryPolicy.period: expected at most 24 hours, in milliseconds")
	}
	if !slices.Contains([]string{"", headerAutogen, headerDisabled}, in.AuthorizationHeader.Type) {
		return nil, invalid("authorizationHeader.type: expected " + headerAutogen + " or " + headerDisabled)
	}
	for _, text := range []string{p.MattermostUsername, p.MattermostChannel} {
		if len(text) > maxText || secret.Detect(text) {
			return nil, invalid(fmt.Sprintf("mattermostUsername, mattermostChannel: expected at most %d bytes, and no secret", maxText))
		}
	}
	return p, nil
}

func invalid(reason string) *apierror.Error {
	return apierror.Invalid("Invalid Push Configuration Arguments").WithDetails(reason)
}

// checkAddress checks an address that messages are pushed to. The error quotes none of it but
// the host.
func (h *Handlers) checkAddress(address string) error {
	if secret.Detect(address) {
		return errors.New("the address must not contain a secret")
	}
	_, err := h.cfg.Client.Check(address)
	if err == nil {
		return nil
	}
	u, invalidURL := url.Parse(address)
	if invalidURL != nil {
		return err
	}
	const restart = " in usher.yaml; a change there needs a restart of usher"
	switch {
	case errors.Is(err, outbound.ErrScheme) && u.Host == "": // as localhost:8443/x, whose scheme is "localhost"
		return fmt.Errorf("%w: the address must begin with https://", err)
	case errors.Is(err, outbound.ErrScheme):
		return fmt.Errorf("%w: %s (push.allow_http allows http%s)", err, u.Scheme, restart)
	case errors.Is(err, outbound.ErrPort):
		return fmt.Errorf("%w: %s (push.ports lists those that are%s)", err, cmp.Or(u.Port(), defaultPort(u)), restart)
	case errors.Is(err, outbound.ErrAddress):
		return fmt.Errorf("%w: public addresses are, and those of push.allow_networks%s", err, restart)
	}
	return err
}

func defaultPort(u *url.URL) string {
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
}
