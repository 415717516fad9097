package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"usher/cmd/usher/cmdutil"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/app/healthtoken"
	"usher/app/natsconn"
	"usher/internal/ownedfile"
	"usher/permissions"
	"usher/tokens/health"
)

// The connect timeout is that of a nats.go client. The echo timeout is that of the event
// gateway of Chef Automate.
const (
	connectTimeout = 2 * time.Second
	echoTimeout    = time.Second
)

func healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "healthcheck",
		Usage:     "check a running usher through its nats-server",
		UsageText: "usher healthcheck -c FILE",
		Description: "Connects as a client with the token that the running service wrote, and expects\n" +
			"an echo within 1 s. Prints nothing on success; else prints the cause and exits\n" +
			"non-zero.",
		Flags: []cli.Flag{cmdutil.ConfigFlag()},
		Action: func(c *cli.Context) error {
			if err := cmdutil.ExactArgs(c, 0); err != nil {
				return err
			}
			cfg, err := cmdutil.LoadConfig(c)
			if err != nil {
				return err
			}
			return healthcheck(c.Context, cfg)
		},
	}
}

func healthcheck(ctx context.Context, cfg *config.Config) error {
	if cfg.Accounts.HealthCheck == "" {
		return fault.InConfig(natsconn.ErrNoHealthCheck)
	}
	token, err := healthtoken.Read(cfg.HealthCheck.TokenFile)
	if err != nil {
		err = fmt.Errorf("healthcheck.token_file: %w", err)
	}
	if errors.Is(err, ownedfile.ErrReadable) || errors.Is(err, ownedfile.ErrUntrusted) {
		return fault.InConfig(err)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Runtime, Err: err, Hint: "check that usher serve runs with this configuration"}
	}
	opts, err := natsconn.TLSOptions(&cfg.NATS.TLS)
	if err != nil {
		return fault.InConfig(err)
	}
	if path := cfg.NATS.SentinelCredsFile; path != "" {
		sentinel, err := natsconn.Sentinel(path)
		if err != nil {
			return fault.InConfig(fmt.Errorf("nats.sentinel_creds_file: %w", err))
		}
		opts = append(opts, sentinel)
	}
	inbox := permissions.InboxPrefix(health.UserName)
	opts = append(opts, nats.Token(token), nats.Name("usher-healthcheck"), nats.CustomInboxPrefix(inbox), nats.Timeout(connectTimeout),
		nats.NoReconnect(), nats.IgnoreDiscoveredServers()) // the token is for the configured servers only
	nc, err := connectToAny(cfg, opts)
	if err != nil {
		return err
	}
	defer nc.Close()
	return echo(ctx, nc)
}

// connectToAny connects to the first server that accepts. If none does, the error has the
// cause of each, and kind and hint of the worst.
func connectToAny(cfg *config.Config, opts []nats.Option) (*nats.Conn, error) {
	var worst *fault.Error
	var causes []error
	for _, server := range cfg.NATS.URLs {
		nc, err := nats.Connect(server, opts...)
		if err == nil {
			return nc, nil
		}
		what := "connect"
		if u, parseErr := url.Parse(server); parseErr == nil && len(cfg.NATS.URLs) > 1 {
			what = "connect to " + u.Host
		}
		causes = append(causes, fmt.Errorf("%s: %w", what, err))
		if e := connectFailed(err, &cfg.NATS.TLS); worst == nil || e.Kind > worst.Kind {
			worst = e
		}
	}
	worst.Err = errors.Join(causes...)
	return nil, worst
}

// connectFailed returns the kind of a failure to connect, and a hint.
func connectFailed(err error, c *config.TLS) *fault.Error {
	if errors.Is(err, nats.ErrAuthorization) {
		return &fault.Error{Kind: fault.Denied, Hint: "the logs of nats-server and usher give the cause under the same request id"}
	}
	e := &fault.Error{Kind: fault.Runtime, Hint: natsconn.TLSHint(err, c, time.Now())}
	switch {
	case e.Hint != "":
	case natsconn.TimedOut(err), natsconn.AuthTimedOut(err):
		e.Hint = "nats-server got no reply from usher: check that usher serve is running; find the cause with usher check"
	default:
		e.Hint = "find the cause with usher check"
	}
	return e
}

// echo sends a request to itself through the server.
func echo(ctx context.Context, nc *nats.Conn) error {
	var raw [20]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("create subject: %w", err)
	}
	payload := []byte(hex.EncodeToString(raw[:]))
	subject := "healthcheck." + string(payload)
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		_ = m.Respond(m.Data) // a failure shows as a missing echo
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, payload)
	if err != nil {
		return fmt.Errorf("no echo within %s: %w", echoTimeout, err)
	}
	if !bytes.Equal(m.Data, payload) {
		return errors.New("the echo differs from the request")
	}
	return nil
}
