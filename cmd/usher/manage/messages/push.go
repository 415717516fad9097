package messages

import (
	"context"

	"github.com/urfave/cli/v2"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/internal/shellword"
)

// notHTTP is the hint for a subscription without an endpoint of type http_endpoint.
const notHTTP = "usher subscription push set --endpoint URL SUBSCRIPTION gives it an endpoint"

// PushCommand returns "usher subscription push".
func PushCommand() *cli.Command {
	header := func() cli.Flag {
		return &cli.BoolFlag{Name: "header", Usage: "also print the authorization header, which is a secret, or the whole URL of Mattermost"}
	}
	return remote.Subgroup("subscription", "push", "manage where the messages of a subscription are pushed",
		remote.Command{
			Name: "show", Usage: "show where messages are pushed, and how it goes", Args: "SUBSCRIPTION", NeedsProject: true, Flags: []cli.Flag{header()},
			Run: func(ctx context.Context, r *remote.Session) error {
				s, _, err := r.API.Subscription(ctx, r.Project, r.Arg(0))
				if err != nil {
					return err
				}
				return printPush(r, s)
			},
		},
		setCommand(),
		remote.Command{
			Name: "verify", Usage: "ask the endpoint for its verification hash, so that messages may be pushed", Args: "SUBSCRIPTION", NeedsProject: true,
			Description: "The endpoint answers GET /ams_verification_hash on its host and port with status 200\n" +
				"and the hash as the whole body, within 5 seconds. usher subscription push show prints\n" +
				"the hash. Redirects are not followed.",
			ConflictHint: notHTTP, Run: verify,
		},
		remote.Command{
			Name: "rotate-header", Usage: "give pushes another authorization header", Args: "SUBSCRIPTION", NeedsProject: true, Flags: []cli.Flag{header()},
			Description: "Pushes have the new header at once. The previous one is shown beside it for\n" +
				"push.header_grace, so that the endpoint can take both.",
			ConflictHint: notHTTP, Run: rotate,
		},
		remote.Command{
			Name: "off", Usage: "end pushes; messages stay in the subscription", Args: "SUBSCRIPTION", NeedsProject: true,
			Description: "The endpoint must be verified anew when pushes begin again, and gets another header.",
			Run: func(ctx context.Context, r *remote.Session) error {
				if err := r.API.ModifyPushConfig(ctx, r.Project, r.Arg(0), &wire.PushConfig{}, client.ETag("")); err != nil {
					return err
				}
				s, _, err := r.API.Subscription(ctx, r.Project, r.Arg(0))
				if err != nil {
					return err
				}
				return r.PrintDone(s, "subscription %s is not pushed; clients can pull its messages", r.Arg(0))
			},
		},
	)
}

// printPush prints the push configuration of a subscription. It prints secrets only with
// --header.
func printPush(r *remote.Session, s *wire.Subscription) error {
	secrets := headerLines(s)
	if !r.CLI.Bool("header") {
		secrets = nil
		HideSecrets(s)
	}
	return r.Print(s, func() error {
		more := pushLines(s)
		if more == nil {
			r.Infof("subscription %s is not pushed", r.Arg(0))
			return nil
		}
		return printLines(r, nil, s, append(more, secrets...))
	})
}

func rotate(ctx context.Context, r *remote.Session) error {
	s, err := r.API.RotatePushHeader(ctx, r.Project, r.Arg(0))
	if err != nil {
		return err
	}
	r.Infof("pushes of subscription %s have another authorization header", r.Arg(0))
	secrets := headerLines(s)
	if r.CLI.Bool("header") {
		return r.Print(s, func() error { return printLines(r, nil, s, secrets) })
	}
	HideSecrets(s)
	if r.CLI.Bool("json") {
		return r.Print(s, nil)
	}
	cmdutil.Hint(r.CLI.App.ErrWriter, pushCommand(r, "show --header")+" shows it")
	return nil
}

// pushCommand returns a command line about the subscription of this one.
func pushCommand(r *remote.Session, verb string) string {
	text := "usher subscription push " + verb
	if r.CLI.IsSet("project") {
		text += " --project " + shellword.Quote(r.Project)
	}
	return text + " " + shellword.Quote(r.Arg(0))
}
