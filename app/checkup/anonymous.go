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

// subjectUserInfo is where a server tells a client who it is.
const subjectUserInfo = "$SYS.REQ.USER.INFO"

// anonymous connects as a client that has no credential at all: with a no_auth_user
// that is among auth_users, or in an account that is not delegated, a server lets it in
// and asks nobody.
func (s *serverCheck) anonymous(ctx context.Context, seen <-chan *nats.Msg) {
	const check = "no_auth_user"
	if s.keys.Operator() {
		return // no user stands in the configuration there; tokenOnly looks at the sentinel
	}
	who := ""
	_, err := s.causedBy(ctx, seen, func(name string) error {
		nc, err := s.knockWithout(name)
		if err != nil {
			return err
		}
		defer nc.Close()
		who = whoAmI(nc)
		return nil
	})
	switch {
	case errors.Is(err, errGotIn):
		s.Fail(fault.Config, check, s.url, "remove no_auth_user from the server's configuration; or remove its user from auth_callout.auth_users and add its account to allowed_accounts, so that the server asks usher",
			"a client without a credential gets in%s, and the server does not ask usher", who)
	case errors.Is(err, errNotAsked):
		s.OK(check, s.url, "the server refuses a client without a credential and does not ask usher")
	case err != nil:
		s.Fail(fault.Runtime, check, s.url, "run usher check again; if it fails again, look at the server's log", "%v", err)
	default:
		s.OK(check, s.url, "the server asks usher about a client without a credential")
	}
}

// knockWithout connects without a credential.
func (s *serverCheck) knockWithout(name string) (*nats.Conn, error) {
	opts, err := natsconn.TLSOptions(&s.cfg.NATS.TLS)
	if err != nil {
		return nil, err
	}
	return nats.Connect(s.url, append(opts, nats.Name(name), nats.NoReconnect(), nats.Timeout(deployment.ConnectTimeout),
		nats.IgnoreDiscoveredServers(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
}

// whoAmI says as whom a connection got in; empty: the server does not say.
func whoAmI(nc *nats.Conn) string {
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
