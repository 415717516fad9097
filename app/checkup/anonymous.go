package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"usher/app/deployment"
	"usher/app/natsconn"
	"usher/internal/fault"

	"github.com/nats-io/nats.go"
)

// subjectUserInfo is the subject at which a server tells a client its user and account.
const subjectUserInfo = "$SYS.REQ.USER.INFO"

// probeAnonymous connects without a credential. A server accepts such a client without
// asking usher if its no_auth_user is one of auth_users or is in an account that is not
// delegated.
func (s *serverCheck) probeAnonymous(ctx context.Context, requests <-chan *nats.Msg) {
	const check = "no_auth_user"
	if s.keys.Operator() {
		return // the configuration has no users; probeWithoutSentinel checks the sentinel
	}
	user := ""
	_, err := s.captureRequest(ctx, requests, func(name string) error {
		nc, err := s.connectAnonymous(name)
		if err != nil {
			return err
		}
		defer nc.Close()
		user = userInfo(nc)
		return nil
	})
	switch {
	case errors.Is(err, errAccepted):
		s.Fail(fault.Config, check, s.url, "remove no_auth_user from the server's configuration; or remove its user from auth_callout.auth_users and add its account to allowed_accounts, so that the server asks usher",
			"the server accepts a client without a credential%s, and does not ask usher", user)
	case errors.Is(err, errNotAsked):
		s.OK(check, s.url, "the server refuses a client without a credential and does not ask usher")
	case err != nil:
		s.Fail(fault.Runtime, check, s.url, "run usher check again; if it fails again, look at the server's log", "%v", err)
	default:
		s.OK(check, s.url, "the server asks usher about a client without a credential")
	}
}

// connectAnonymous connects without a credential.
func (s *serverCheck) connectAnonymous(name string) (*nats.Conn, error) {
	opts, err := natsconn.TLSOptions(&s.cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	return nats.Connect(s.url, append(opts, nats.Name(name), nats.NoReconnect(), nats.Timeout(deployment.ConnectTimeout),
		nats.IgnoreDiscoveredServers(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
}

// userInfo describes the user and account of a connection; empty: the server does not
// report them.
func userInfo(nc *nats.Conn) string {
	m, err := nc.Request(subjectUserInfo, nil, deployment.RequestTimeout)
	if err != nil {
		return ""
	}
	var answer struct {
		Data struct {
			User    string `json:"user"`
			Account string `json:"account"`
		} `json:"data"`
	}
	if json.Unmarshal(m.Data, &answer) != nil || answer.Data.Account == "" {
		return ""
	}
	return fmt.Sprintf(" as user %q of %s", answer.Data.User, answer.Data.Account)
}
