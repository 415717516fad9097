package messages

import (
	"context"
	"errors"
	"strings"

	"usher/api/client"
	"usher/api/push"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
	"usher/internal/fault"
	"usher/internal/outbound"
)

func verify(ctx context.Context, r *remote.Session) error {
	s, _, err := r.API.Subscription(ctx, r.Project, r.Arg(0))
	if err != nil {
		return err
	}
	if s.PushConfig.Verified && s.PushConfig.Type == directory.PushHTTP {
		HideSecrets(s)
		return r.PrintDone(s, "the endpoint of subscription %s is verified already", r.Arg(0))
	}
	if err := r.API.VerifyPushEndpoint(ctx, r.Project, r.Arg(0)); err != nil {
		return verificationError(r, s, err)
	}
	if s, _, err = r.API.Subscription(ctx, r.Project, r.Arg(0)); err != nil {
		return err
	}
	HideSecrets(s)
	if err := r.PrintDone(s, "the endpoint of subscription %s is verified; %s", r.Arg(0), pushedNow(s)); err != nil {
		return err
	}
	if s.PushState != nil && s.PushState.Status == push.StatusInactive {
		cmdutil.Hint(r.CLI.App.ErrWriter, "a process takes it within seconds if one runs: usher push, or usher serve with push.inside; usher push status shows which")
	}
	return nil
}

// pushedNow says who pushes the messages of a subscription whose endpoint is verified.
func pushedNow(s *wire.Subscription) string {
	switch {
	case s.PushState == nil:
		return "a process that pushes may push its messages"
	case s.PushState.Status == push.StatusInactive:
		return "no process pushes its messages yet"
	default:
		return "its messages are pushed"
	}
}

// verificationError gives the error of an endpoint a hint. AMS answers such an error with 401,
// which is not about the key.
func verificationError(r *remote.Session, s *wire.Subscription, err error) error {
	var refused *client.Error
	if !errors.As(err, &refused) {
		return err
	}
	reason, ok := strings.CutPrefix(refused.Message, wire.VerificationFailed)
	if !ok {
		return err
	}
	at := hashURL(s.PushConfig.PushEndpoint)
	hint := ""
	for of, text := range map[string]string{
		wire.VerificationWrongStatus: at + " must answer GET with status 200, without a redirect; the path and the query of the endpoint do not count",
		wire.VerificationWrongHash:   at + " must answer with the hash as the whole body, without an end of line: " + pushCommand(r, "show"),
		wire.VerificationRefused:     "the name must have an address where usher serve runs; push.allow_networks, push.ports and push.allow_http in usher.yaml say which are allowed",
		wire.VerificationAsking:      notReachedHint(at, reason),
	} {
		if strings.HasPrefix(reason, of) { // the details follow
			hint = text
		}
	}
	return &fault.Error{Kind: fault.Runtime, Err: err, Hint: hint}
}

// notReachedHint is the hint for an endpoint that usher does not reach, or whose certificate it
// does not accept. The API says which in the words of package outbound.
func notReachedHint(at, reason string) string {
	for _, about := range []struct {
		of   error
		hint string
	}{
		{outbound.ErrExpired, "renew the certificate of " + at + "; usher has nothing to change"},
		{outbound.ErrNotYetValid, "compare the clocks of " + at + " and of usher serve"},
		{outbound.ErrName, "the certificate of " + at + " must have its host as DNS name or IP address (subject alternative name)"},
		{outbound.ErrAuthority, "put the CA of the endpoint into push.ca_file, which takes the place of the root CAs of the system, and restart usher; or the endpoint does not send its intermediate certificates"},
		{outbound.ErrCertificate, "the certificate of " + at + " and those that signed it must be for servers"},
	} {
		if strings.Contains(reason, about.of.Error()) {
			return about.hint
		}
	}
	return "usher serve must reach " + at
}
