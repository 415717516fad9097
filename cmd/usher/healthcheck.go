package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/urfave/cli/v2"

	"usher/app/config"
	"usher/internal/ownedfile"
	"usher/permissions"
	"usher/tokens/health"
)

// The health check gives the server what a client would give it, and the echo
// one second (Chef Automate's event gateway).
const (
	healthConnect = 2 * time.Second
	healthEcho    = time.Second
)

func healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "healthcheck",
		Usage:     "check a running usher through its nats-server",
		UsageText: "usher healthcheck -c FILE",
		Description: "Connects as a client with the token that the running service wrote, and expects\n" +
			"an echo within 1 s. Silent when all is well; else says why and exits non-zero.",
		Flags: []cli.Flag{configFlag()},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0); err != nil {
				return err
			}
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			return healthcheck(c.Context, cfg)
		},
	}
}

func healthcheck(ctx context.Context, cfg *config.Config) error {
	if cfg.Accounts.HealthCheck == "" {
		return configError(errNoHealthCheck)
	}
	token, err := readHealthToken(cfg.HealthCheck.TokenFile)
	if err != nil {
		err = fmt.Errorf("healthcheck.token_file: %w", err)
	}
	if errors.Is(err, ownedfile.ErrReadable) || errors.Is(err, ownedfile.ErrUntrusted) {
		return configError(err)
	}
	if err != nil {
		return &exitError{code: exitRuntime, err: err, hint: "is usher serve running with this configuration?"}
	}
	opts, err := tlsOptions(&cfg.NATS.TLS)
	if err != nil {
		return configError(err)
	}
	if path := cfg.NATS.SentinelFile; path != "" {
		sentinel, err := sentinelOption(path)
		if err != nil {
			return configError(fmt.Errorf("nats.sentinel_creds_file: %w", err))
		}
		opts = append(opts, sentinel)
	}
	inbox := permissions.InboxPrefix(health.UserName)
	nc, err := nats.Connect(natsURLs(cfg), append(opts, nats.Token(token), nats.Name("usher-healthcheck"),
		nats.CustomInboxPrefix(inbox), nats.Timeout(healthConnect), nats.NoReconnect())...)
	if err != nil {
		return connectFailed(err)
	}
	defer nc.Close()
	return echo(ctx, nc)
}

func connectFailed(err error) error {
	if errors.Is(err, nats.ErrAuthorization) {
		return &exitError{code: exitDenied, err: fmt.Errorf("connect: %w", err), hint: "the log of nats-server and usher say why, under the same request id"}
	}
	e := &exitError{code: exitRuntime, err: fmt.Errorf("connect: %w", err), hint: "usher check looks at server and service in detail"}
	if stalled(err) || keptWaiting(err) {
		e.hint = "nobody answered nats-server: is usher serve running? " + e.hint
	}
	return e
}

// echo asks itself through the server.
func echo(ctx context.Context, nc *nats.Conn) error {
	var raw [20]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("make subject: %w", err)
	}
	payload := []byte(hex.EncodeToString(raw[:]))
	subject := "healthcheck." + string(payload)
	_, err := nc.Subscribe(subject, func(m *nats.Msg) {
		_ = m.Respond(m.Data) // if it fails, no echo comes, and that is said
	})
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthEcho)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, subject, payload)
	if err != nil {
		return fmt.Errorf("no echo within %s: %w", healthEcho, err)
	}
	if !bytes.Equal(m.Data, payload) {
		return errors.New("the echo is not what was sent")
	}
	return nil
}
