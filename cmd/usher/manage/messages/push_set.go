package messages

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/urfave/cli/v2"

	"usher/api/wire"
	"usher/cmd/usher/cmdutil"
	"usher/cmd/usher/remote"
	"usher/directory"
	"usher/internal/fault"
	"usher/internal/secretfile"
)

func setFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "endpoint", Usage: "`URL` that messages are posted to"},
		&cli.StringFlag{Name: "type", Usage: "`http_endpoint|mattermost`", DefaultText: "as the address says"},
		&cli.IntFlag{Name: "max-messages", Usage: "at most `N` messages in one push", DefaultText: "1"},
		&cli.StringFlag{Name: "retry-policy", Usage: "`linear|slowstart`: after the same time, or after twice as long each time", DefaultText: "linear"},
		&cli.StringFlag{Name: "retry-period", Usage: "`DURATION` until linear tries again", DefaultText: "3s"},
		&cli.StringFlag{Name: "authorization", Usage: "`autogen|disabled`: a header that usher makes, or none", DefaultText: "autogen"},
		&cli.BoolFlag{Name: "base64-decode", Usage: "push data that is text as it is, not in base64; --base64-decode=false for base64"},
		&cli.StringFlag{Name: "mattermost-url-file", Usage: "`FILE` with the URL of an incoming webhook of Mattermost, which is a secret"},
		&cli.StringFlag{Name: "mattermost-username", Usage: "post as `NAME`"},
		&cli.StringFlag{Name: "mattermost-channel", Usage: "post to `CHANNEL`"},
	}
}

func setCommand() remote.Command {
	return remote.Command{
		Name: "set", Usage: "push messages to an endpoint, or change how", Args: "SUBSCRIPTION", NeedsProject: true, Flags: setFlags(),
		Description: "Options that are not given stay as they are. Nothing is pushed to a new endpoint until\n" +
			"it is verified: usher prints what the endpoint has to answer. The same endpoint stays\n" +
			"verified.",
		Run: set,
	}
}

func set(ctx context.Context, r *remote.Session) error {
	if err := remote.RequireChange(r.CLI, setFlags()); err != nil {
		return err
	}
	change, err := readChange(r.CLI)
	if err != nil {
		return err
	}
	s, tag, err := r.API.Subscription(ctx, r.Project, r.Arg(0))
	if err != nil {
		return err
	}
	next, err := change.of(&s.PushConfig)
	if err != nil {
		return err
	}
	if err := r.API.ModifyPushConfig(ctx, r.Project, r.Arg(0), next, tag); err != nil {
		return err
	}
	if s, _, err = r.API.Subscription(ctx, r.Project, r.Arg(0)); err != nil {
		return err
	}
	HideSecrets(s)
	return r.Print(s, func() error { return printSet(r, s) })
}

// printSet says what comes next.
func printSet(r *remote.Session, s *wire.Subscription) error {
	p := &s.PushConfig
	switch {
	case p.Type != directory.PushHTTP:
		r.Infof("subscription %s is pushed to %s", r.Arg(0), p.MattermostURL)
		return nil
	case p.Verified:
		r.Infof("changed the pushes of subscription %s", r.Arg(0))
		return nil
	}
	r.Infof("subscription %s is pushed once its endpoint answers with this hash as the whole body, and is verified", r.Arg(0))
	err := printLines(r, nil, s, []line{{"url", hashURL(p.PushEndpoint)}, {"hash", p.VerificationHash}})
	cmdutil.Hint(r.CLI.App.ErrWriter, "then: "+pushCommand(r, "verify"))
	return err
}

// hashURL is where an endpoint shows its hash: its path and its query do not count.
func hashURL(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "/ams_verification_hash"
	}
	return u.Scheme + "://" + u.Host + "/ams_verification_hash"
}

// change is what the options say.
type change struct {
	c             *cli.Context
	kind          string // empty: not given
	mattermostURL string
	period        time.Duration // 0: not given
}

func readChange(c *cli.Context) (*change, error) {
	for option, values := range map[string][]string{
		"type": {directory.PushHTTP, directory.PushMattermost}, "retry-policy": {policyLinear, policySlowstart}, "authorization": {headerAutogen, headerDisabled},
	} {
		if !c.IsSet(option) {
			continue
		}
		if err := cmdutil.CheckValues("--"+option, []string{c.String(option)}, values); err != nil {
			return nil, err
		}
	}
	x := &change{c: c, kind: c.String("type")}
	for option, kind := range map[string]string{
		"endpoint": directory.PushHTTP, "authorization": directory.PushHTTP, "max-messages": directory.PushHTTP,
		"mattermost-url-file": directory.PushMattermost, "mattermost-username": directory.PushMattermost, "mattermost-channel": directory.PushMattermost,
	} {
		if !c.IsSet(option) {
			continue
		}
		if x.kind != "" && x.kind != kind {
			return nil, cmdutil.UsageError("a subscription is pushed to one of them", "options for %s and for %s", directory.PushHTTP, directory.PushMattermost)
		}
		x.kind = kind
	}
	if c.IsSet("max-messages") && c.Int("max-messages") < 1 {
		return nil, cmdutil.UsageError("", "--max-messages %d: expected 1 or more", c.Int("max-messages"))
	}
	var err error
	if x.period, err = cmdutil.PositiveDurationSuchAs(c, "retry-period", "5s", "expected 1ms or more"); err != nil {
		return nil, err
	}
	if x.period%time.Millisecond != 0 {
		return nil, cmdutil.UsageError("", "--retry-period %s: expected whole milliseconds", x.period)
	}
	if x.period > 0 && c.String("retry-policy") == policySlowstart {
		return nil, cmdutil.UsageError("", "--retry-period is for --retry-policy linear; slowstart begins with 1s")
	}
	if path := c.String("mattermost-url-file"); path != "" {
		if x.mattermostURL, err = secretfile.ReadNamed(path, false); err != nil {
			return nil, fault.InConfig(fmt.Errorf("--mattermost-url-file: %w", err))
		}
	}
	return x, nil
}

var errNoEndpoint = errors.New("the subscription is not pushed")

// of returns the push configuration after the change.
func (x *change) of(now *wire.PushConfig) (*wire.PushConfig, error) {
	next := *now
	// The API keeps them for the same endpoint.
	next.VerificationHash, next.Verified = "", false
	next.AuthorizationHeader = wire.AuthorizationHeader{Type: now.AuthorizationHeader.Type}
	if x.kind != "" && x.kind != now.Type {
		next = wire.PushConfig{Type: x.kind, RetryPolicy: now.RetryPolicy, Base64Decode: now.Base64Decode}
	}
	c := x.c
	setText := func(field *string, option string) {
		if c.IsSet(option) {
			*field = c.String(option)
		}
	}
	setText(&next.PushEndpoint, "endpoint")
	setText(&next.AuthorizationHeader.Type, "authorization")
	setText(&next.MattermostUsername, "mattermost-username")
	setText(&next.MattermostChannel, "mattermost-channel")
	if x.mattermostURL != "" {
		next.MattermostURL = x.mattermostURL
	}
	if c.IsSet("max-messages") {
		next.MaxMessages = c.Int("max-messages")
	}
	if c.IsSet("base64-decode") {
		next.Base64Decode = c.Bool("base64-decode")
	}
	if c.IsSet("retry-policy") && c.String("retry-policy") != next.RetryPolicy.Type {
		next.RetryPolicy = wire.RetryPolicy{Type: c.String("retry-policy")}
	}
	if x.period > 0 {
		if next.RetryPolicy.Type == policySlowstart {
			return nil, cmdutil.UsageError("add --retry-policy linear", "--retry-period: the retry policy of the subscription is slowstart")
		}
		next.RetryPolicy.Period = new(int(x.period / time.Millisecond))
	}
	if next.PushEndpoint == "" && next.MattermostURL == "" {
		return nil, cmdutil.UsageError("give --endpoint URL, or --mattermost-url-file FILE", "%w", errNoEndpoint)
	}
	return &next, nil
}
