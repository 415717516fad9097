package messages

import (
	"context"
	"errors"
	"strings"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/remote"
	"usher/directory"
	"usher/internal/fault"
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
	return r.PrintDone(s, "the endpoint of subscription %s is verified; its messages are pushed", r.Arg(0))
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
		wire.VerificationRefused:     "push.allow_networks, push.ports and push.allow_http in usher.yaml say which addresses are allowed",
		wire.VerificationAsking:      "usher serve must reach " + at + ", and trust its certificate (push.ca_file)",
	} {
		if strings.HasPrefix(reason, of) { // the details follow
			hint = text
		}
	}
	return &fault.Error{Kind: fault.Runtime, Err: err, Hint: hint}
}
