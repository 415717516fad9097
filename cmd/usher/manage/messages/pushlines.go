package messages

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"usher/api/wire"
	"usher/cmd/usher/remote"
	"usher/directory"
	"usher/internal/plural"
)

// The values of a pushConfig that commands speak of.
const (
	policyLinear    = "linear"
	policySlowstart = "slowstart"
	headerAutogen   = "autogen"
	headerDisabled  = "disabled"
)

func count(n int64, noun string) string { return plural.Count(int(n), noun) }

// HideSecrets takes from a subscription what nobody should find in a terminal or a log: the
// authorization header, and the address of a hook of Mattermost but for its host.
func HideSecrets(s *wire.Subscription) {
	p := &s.PushConfig
	p.AuthorizationHeader = wire.AuthorizationHeader{Type: p.AuthorizationHeader.Type}
	if u, err := url.Parse(p.MattermostURL); err == nil && u.Host != "" {
		p.MattermostURL = u.Scheme + "://" + u.Host + "/"
	} else {
		p.MattermostURL = ""
	}
}

// pushLines are the lines about the pushes of a subscription.
func pushLines(s *wire.Subscription) []line {
	p := &s.PushConfig
	if p.Type == "" && p.PushEndpoint == "" {
		return nil
	}
	retry := p.RetryPolicy.Type
	if period := p.RetryPolicy.Period; retry == policyLinear && period != nil {
		retry = "linear, every " + (time.Duration(*period) * time.Millisecond).String()
	}
	verified, authorization, decode := remote.YesNo(p.Verified), p.AuthorizationHeader.Type, ""
	if p.Type == directory.PushMattermost {
		verified, authorization = "", ""
	}
	if p.Base64Decode {
		decode = "yes"
	}
	return append([]line{
		{"pushed to", cmp.Or(p.PushEndpoint, p.MattermostURL)},
		{"type", p.Type},
		{"verified", verified},
		{"verification hash", p.VerificationHash},
		{"max messages", strconv.Itoa(p.MaxMessages)},
		{"retry policy", retry},
		{"authorization", authorization},
		{"base64 decode", decode},
		{"mattermost username", p.MattermostUsername},
		{"mattermost channel", p.MattermostChannel},
	}, stateLines(s)...)
}

// stateLines are the lines about how the pushes go.
func stateLines(s *wire.Subscription) []line {
	state := s.PushState
	if state == nil {
		return []line{{"push status", s.PushStatus}} // nothing else is known
	}
	delivered, failures, dead := "", "", ""
	if state.Worker != "" {
		delivered = strconv.FormatUint(state.Delivered, 10)
		if !state.Since.IsZero() {
			delivered += " since " + remote.FormatTime(state.Since)
		}
	}
	if state.Failures > 0 {
		failures = fmt.Sprintf("%d in a row", state.Failures)
	}
	if state.DeadLetters > 0 {
		dead = count(int64(state.DeadLetters), "message") //nolint:gosec // far from 2^63
	}
	return []line{
		{"push status", StatusText(state.Status)},
		{"pushed by", state.Worker},
		{"delivered", delivered},
		{"last success", remote.FormatTime(state.LastSuccess)},
		{"failures", failures},
		{"dead letters", dead},
		{"last error", state.LastError},
		{"next attempt", remote.FormatTime(state.NextAttempt)},
	}
}

// StatusText returns the status of pushes for people.
func StatusText(status string) string {
	if status == "inactive" {
		return "inactive: nobody pushes"
	}
	return status
}

// headerLines are the lines with the authorization header.
func headerLines(s *wire.Subscription) []line {
	switch p := &s.PushConfig; {
	case p.Type == directory.PushMattermost: // the secret is the address
		return nil
	case p.AuthorizationHeader.Type != headerAutogen:
		return []line{{"header", "none"}}
	case p.AuthorizationHeader.Value == "":
		return []line{{"header", "not shown: project admins, service admins and push workers see it, if the keyring can open it"}}
	default:
		h := &p.AuthorizationHeader
		return []line{
			{"header", h.Value},
			{"previous header", h.PreviousValue},
			{"until", remote.FormatTime(h.PreviousUntil)},
		}
	}
}
