// Command reference is a minimal auth callout service, written with jwt/v2, nkeys and
// their defaults, and with workers as callout.go has them. "make bench" compares usher
// with it.
//
// It authorizes every client. Use it for measurements only.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "reference: error: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("reference", flag.ContinueOnError)
	server := flags.String("server", nats.DefaultURL, "`URL` of nats-server")
	user := flags.String("user", "", "`NAME` of the service user")
	passwordFile := flags.String("password-file", "", "`FILE` with its password")
	issuerFile := flags.String("issuer-file", "", "`FILE` with the issuer's seed")
	xkeyFile := flags.String("xkey-file", "", "`FILE` with the xkey's seed; default: requests are not encrypted")
	account := flags.String("account", "", "`NAME` of the account that clients are placed in")
	workers := flags.Int("workers", 8, "requests that are handled at once, of all connections")
	connections := flags.Int("connections", 1, "connections, all in one queue group")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *workers < 1 || *connections < 1 {
		return errors.New("--workers and --connections must be at least 1")
	}
	password, err := read(*passwordFile)
	if err != nil {
		return err
	}
	seed, err := read(*issuerFile)
	if err != nil {
		return err
	}
	s := service{account: *account, stderr: stderr}
	if s.issuer, err = nkeys.FromSeed(seed); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if *xkeyFile != "" {
		if seed, err = read(*xkeyFile); err != nil {
			return err
		}
		if s.xkey, err = nkeys.FromCurveSeed(seed); err != nil {
			return fmt.Errorf("xkey: %w", err)
		}
	}
	messages := make(chan *nats.Msg, maxWaiting)
	for range *connections {
		nc, err := nats.Connect(*server, nats.UserInfo(*user, string(password)))
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		defer nc.Close()
		if _, err := nc.ChanQueueSubscribe("$SYS.REQ.USER.AUTH", "reference", messages); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		if err := nc.Flush(); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	for range *workers {
		go s.work(ctx, messages)
	}
	fmt.Fprintln(stderr, "reference: ready")
	<-ctx.Done()
	return nil
}

func read(path string) ([]byte, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the path is the caller's
	return bytes.TrimSpace(text), err
}

type service struct {
	issuer, xkey nkeys.KeyPair
	account      string
	stderr       io.Writer
}

// maxWaiting is how many requests may wait for a worker: as many as nats.go keeps for a
// subscription by default. First in, first out; none is shed.
const maxWaiting = 512 * 1024

func (s *service) work(ctx context.Context, messages <-chan *nats.Msg) {
	for {
		select {
		case msg := <-messages:
			s.handle(msg)
		case <-ctx.Done():
			return
		}
	}
}

func (s *service) handle(msg *nats.Msg) {
	serverXKey := msg.Header.Get("Nats-Server-Xkey")
	answer, err := s.answer(msg.Data, serverXKey)
	if err == nil {
		err = msg.Respond(answer)
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "reference: error: %v\n", err)
	}
}

func (s *service) answer(data []byte, serverXKey string) ([]byte, error) {
	var err error
	if s.xkey != nil {
		if data, err = s.xkey.Open(data, serverXKey); err != nil {
			return nil, fmt.Errorf("open: %w", err)
		}
	}
	request, err := jwt.DecodeAuthorizationRequestClaims(string(data))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	user := jwt.NewUserClaims(request.UserNkey)
	user.Audience = s.account
	for i := range 10 {
		user.Pub.Allow.Add(fmt.Sprintf("p.t%d", i))
	}
	response := jwt.NewAuthorizationResponseClaims(request.UserNkey)
	response.Audience = request.Server.ID
	if response.Jwt, err = user.Encode(s.issuer); err != nil {
		return nil, fmt.Errorf("encode user JWT: %w", err)
	}
	text, err := response.Encode(s.issuer)
	if err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	if s.xkey == nil {
		return []byte(text), nil
	}
	return s.xkey.Seal([]byte(text), serverXKey)
}
