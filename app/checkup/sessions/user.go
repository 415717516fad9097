package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"usher/issuer/operator"
)

// user tries what the user of the system account may do on one server.
type user struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of checkUser
	nc     *nats.Conn
	server *Server
	err    error // the connection is lost

	answered  bool // the server lists connections
	byCallout bool // usher has let this user in
}

// try does something, and reports whether the server said that it is not permitted. The
// server says so before it answers the PING of a flush.
func (u *user) try(do func() error) (permitted bool) {
	before := u.nc.LastError()
	err := do()
	if err == nil {
		ctx, cancel := context.WithTimeout(u.ctx, limit)
		err = u.nc.FlushWithContext(ctx)
		cancel()
	}
	if err != nil {
		u.err = err
		return false
	}
	last := u.nc.LastError()
	return last == before || !errors.Is(last, nats.ErrPermissionViolation) //nolint:errorlint // whether it is the same error value
}

func (u *user) subscribe(subject string) bool {
	return u.try(func() error { _, err := u.nc.SubscribeSync(subject); return err })
}

// request asks and returns the answer; nil: there is none in time.
func (u *user) request(subject, body string) (answer []byte, permitted bool) {
	sub, err := u.nc.SubscribeSync(u.nc.NewInbox())
	if err != nil {
		u.err = err
		return nil, false
	}
	defer sub.Unsubscribe() //nolint:errcheck // the connection is closed soon
	if !u.try(func() error { return u.nc.PublishRequest(subject, sub.Subject, []byte(body)) }) {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(u.ctx, limit)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if err != nil || len(m.Data) == 0 { // the latter says that nobody listens
		return nil, true
	}
	return m.Data, true
}

// missing tries everything that sessions need, and returns what the user may not do.
func (u *user) missing() (out []string) {
	publish, subscribe := operator.SessionSubjects()
	for _, subject := range subscribe {
		if !u.subscribe(concrete(subject)) {
			out = append(out, "subscribe to "+subject)
		}
	}
	cid, err := u.nc.GetClientID()
	if err != nil {
		u.err = err
		return nil
	}
	// A server never has a connection 0, so nothing is closed.
	bodies := []string{fmt.Sprintf(`{"auth":true,"cid":%d}`, cid), `{"cid":0}`, ""}
	for i, subject := range []string{fmt.Sprintf(operator.SubjectConnz, u.server.ID), fmt.Sprintf(operator.SubjectKick, u.server.ID), operator.SubjectAccountCounts} {
		answer, permitted := u.request(subject, bodies[i])
		switch {
		case !permitted:
			out = append(out, "publish "+publish[i])
		case i == 0 && answer != nil:
			u.own(answer)
		}
	}
	return out
}

// concrete returns a subscription as usher makes it.
func concrete(subject string) string {
	if prefix, ok := strings.CutSuffix(subject, ">"); ok {
		return prefix + "check"
	}
	return subject
}

// own reads what the server says of this connection. A connection that came by auth callout
// has an issuer and no JWT of its own.
func (u *user) own(answer []byte) {
	var list struct {
		Data struct {
			Connections []struct {
				Issuer string `json:"issuer_key"`
				JWT    string `json:"jwt"`
			} `json:"connections"`
		} `json:"data"`
	}
	if json.Unmarshal(answer, &list) != nil {
		return
	}
	u.answered = len(list.Data.Connections) > 0
	for _, c := range list.Data.Connections {
		u.byCallout = c.Issuer != "" && c.JWT == ""
	}
}

// more returns what the user may do beyond what sessions need; empty: nothing that can be
// seen. It publishes nothing that a server acts on.
func (u *user) more() string {
	publish, subscribe := operator.SessionSubjects()
	if answer, permitted := u.request("$SYS.REQ.USER.INFO", ""); permitted && answer != nil {
		var info struct {
			Data struct {
				Permissions *struct {
					Publish   *allowed `json:"publish"`
					Subscribe *allowed `json:"subscribe"`
				} `json:"permissions"`
			} `json:"data"`
		}
		if json.Unmarshal(answer, &info) == nil {
			p := info.Data.Permissions
			if p == nil {
				return everything
			}
			return strings.Join(append(p.Publish.beyond("publish", append(publish, "$SYS.REQ.USER.INFO")), p.Subscribe.beyond("subscribe to", subscribe)...), ", ")
		}
	}
	var out []string
	if u.try(func() error { return u.nc.Publish("usher.check.nobody."+nats.NewInbox(), nil) }) && u.err == nil {
		out = append(out, everything)
	}
	if u.subscribe("$SYS.SERVER.*.STATSZ") {
		out = append(out, "subscribe to $SYS.SERVER.*.STATSZ")
	}
	return strings.Join(out, ", ")
}

// everything is what a user without a list of permissions may do.
const everything = "publish everything, such as $SYS.REQ.SERVER.*.RELOAD and $SYS.REQ.CLAIMS.UPDATE"

// allowed is one side of permissions as a server shows them.
type allowed struct {
	Allow []string `json:"allow"`
}

// beyond returns the allowed subjects that are not needed.
func (a *allowed) beyond(verb string, needed []string) (out []string) {
	if a == nil || len(a.Allow) == 0 {
		if verb == "publish" {
			return []string{everything}
		}
		return []string{verb + " everything"}
	}
	for _, subject := range a.Allow {
		if !slices.Contains(needed, subject) {
			out = append(out, verb+" "+subject)
		}
	}
	return out
}
