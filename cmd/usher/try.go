package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/app/natsconn"
	"usher/app/setup"
	"usher/cmd/usher/cmdutil"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/urfave/cli/v2"

	"usher/permissions"
)

// tryWait is the timeout for a response or message.
const tryWait = 3 * time.Second

// defaultInbox is the inbox prefix of nats.go.
const defaultInbox = "_INBOX"

func tryCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: "server", Aliases: []string{"s"}, Usage: "`URL` of nats-server", Value: "nats://" + setup.DefaultListen},
			cmdutil.NATSContextFlag("context of the nats CLI with server and credential: a `FILE` (.json), or the name of one in its folder"),
			&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token; - reads it from stdin"},
			&cli.StringFlag{Name: "user", Usage: "user `NAME`, such as project=P; the token is sent as the password"},
			&cli.StringFlag{Name: "inbox", Usage: "inbox `PREFIX` for replies, as usher explain shows it", Value: defaultInbox},
			&cli.StringFlag{Name: "sentinel", Usage: "`FILE` (.creds) of the sentinel user, in operator mode without default_sentinel"},
		}, append(cmdutil.TLSFlags(), more...)...)
	}
	return &cli.Command{
		Name:  "try",
		Usage: "connect as a client with a token or a certificate, and try what it may do",
		Subcommands: []*cli.Command{
			{
				Name: "publish", Usage: "publish one message",
				UsageText: "usher try publish [-s URL] --token-file FILE [--ack] SUBJECT MESSAGE\n" +
					"usher try publish --nats-context FILE [--ack] SUBJECT MESSAGE",
				Flags: flags(&cli.BoolFlag{Name: "ack", Usage: "wait for the acknowledgement of a stream"}),
				Action: func(c *cli.Context) error {
					return try(c, 2, tryPublish)
				},
			},
			{
				Name: "subscribe", Usage: "subscribe, and print the first message",
				UsageText: "usher try subscribe [-s URL] --token-file FILE [--wait TIME] SUBJECT\n" +
					"usher try subscribe --nats-context FILE [--wait TIME] SUBJECT",
				Flags: flags(&cli.DurationFlag{Name: "wait", Usage: "`TIME` to wait for a message", Value: tryWait}),
				Action: func(c *cli.Context) error {
					return try(c, 1, trySubscribe)
				},
			},
			{
				Name: "consume", Usage: "fetch one message from a JetStream consumer, and acknowledge it",
				UsageText: "usher try consume [-s URL] --token-file FILE [--domain NAME] STREAM CONSUMER\n" +
					"usher try consume --nats-context FILE [--domain NAME] STREAM CONSUMER",
				Flags: flags(&cli.StringFlag{Name: "domain", Usage: "`NAME` of the JetStream domain of the stream, if it is not that of the server"}),
				Action: func(c *cli.Context) error {
					return try(c, 2, tryConsume)
				},
			},
		},
	}
}

// trial is the connection of "usher try".
type trial struct {
	nc     *nats.Conn
	domain string // of JetStream
}

// refused returns the last permission violation on this connection, or nil. The server
// reports violations asynchronously; flush the connection first.
func (t *trial) refused() error {
	if err := t.nc.LastError(); errors.Is(err, nats.ErrPermissionViolation) {
		return err
	}
	return nil
}

func try(c *cli.Context, args int, do func(ctx context.Context, c *cli.Context, t *trial) (string, error)) error {
	if err := cmdutil.ExactArgs(c, args); err != nil {
		return err
	}
	if subject := c.Args().First(); c.Command.Name != "consume" && !permissions.ValidSubject(subject) {
		return cmdutil.UsageError("", "%q is not a subject", subject)
	}
	to, err := tryTargetOf(c)
	if err != nil {
		return err
	}
	t, dialer := &trial{domain: to.domain}, &natsconn.TrackingDialer{}
	opts := append(to.options,
		nats.SetCustomDialer(dialer),
		nats.Name("usher-try"), nats.NoReconnect(), nats.IgnoreDiscoveredServers(), nats.CustomInboxPrefix(to.inbox),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // by default nats.go prints errors
	)
	t.nc, err = nats.Connect(to.server, opts...)
	if err != nil {
		return notConnected(to, dialer.Received.Load(), err)
	}
	defer t.nc.Close()
	at := shownServers(t.nc.ConnectedUrlRedacted())
	result, err := do(c.Context, c, t)
	if refused := t.refused(); refused != nil {
		return violation(at, to.inbox, refused)
	}
	if err != nil {
		return failed(at, err)
	}
	_, err = fmt.Fprintln(c.App.Writer, result)
	return err
}

func tryPublish(ctx context.Context, c *cli.Context, t *trial) (string, error) {
	subject, message := c.Args().Get(0), []byte(c.Args().Get(1))
	ctx, cancel := context.WithTimeout(ctx, tryWait)
	defer cancel()
	if !c.Bool("ack") {
		if err := t.nc.Publish(subject, message); err != nil {
			return "", err
		}
		return "published to " + subject, t.nc.FlushWithContext(ctx)
	}
	if err := t.canReceive(ctx); err != nil || t.refused() != nil {
		return "", err
	}
	js, err := jetstream.New(t.nc)
	if err != nil {
		return "", err
	}
	ack, err := js.Publish(ctx, subject, message, jetstream.WithRetryAttempts(0))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("published to %s, acknowledged by stream %s with sequence %d", subject, ack.Stream, ack.Sequence), nil
}

// canReceive subscribes to the inbox, and ends that. Without the right to do so no answer would
// arrive, though the message is stored.
func (t *trial) canReceive(ctx context.Context) error {
	sub, err := t.nc.SubscribeSync(t.nc.NewInbox() + ".*") // as JetStream will
	if err != nil {
		return err
	}
	if err := t.nc.FlushWithContext(ctx); err != nil || t.refused() != nil {
		return err
	}
	return sub.Unsubscribe()
}

func trySubscribe(ctx context.Context, c *cli.Context, t *trial) (string, error) {
	subject := c.Args().First()
	sub, err := t.nc.SubscribeSync(subject)
	if err != nil {
		return "", err
	}
	if err := t.nc.FlushTimeout(tryWait); err != nil || t.refused() != nil {
		return "", err
	}
	fmt.Fprintln(c.App.ErrWriter, "subscribed to "+subject)
	ctx, cancel := context.WithTimeout(ctx, c.Duration("wait"))
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fmt.Errorf("no message within %s", c.Duration("wait"))
	}
	if err != nil {
		return "", err
	}
	return m.Subject + ": " + string(m.Data), nil
}

func tryConsume(ctx context.Context, c *cli.Context, t *trial) (string, error) {
	js, err := t.jetStream()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, tryWait)
	defer cancel()
	consumer, err := js.Consumer(ctx, c.Args().Get(0), c.Args().Get(1))
	if err != nil {
		return "", err
	}
	m, err := consumer.Next(jetstream.FetchMaxWait(tryWait))
	if errors.Is(err, nats.ErrTimeout) {
		return "no message is waiting", nil
	}
	if err != nil {
		return "", err
	}
	if err := m.DoubleAck(ctx); err != nil {
		return "", err
	}
	return m.Subject() + ": " + string(m.Data()) + " (acknowledged)", nil
}

// jetStream returns the JetStream of the domain, or of the server.
func (t *trial) jetStream() (jetstream.JetStream, error) {
	if t.domain != "" {
		return jetstream.NewWithDomain(t.nc, t.domain)
	}
	return jetstream.New(t.nc)
}
