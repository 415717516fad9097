package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/kv"
	"usher/directory/snapshot"
	"usher/internal/audit"
	"usher/internal/secret"
)

// isUnavailable reports an error after which trying again may help.
func isUnavailable(err error) bool { return errors.Is(err, kv.ErrUnavailable) }

// alter changes the directory. What is asked for is called what, and at shows it
// before, for If-Match and the audit. Who asks is looked up in the snapshot that
// the change is made on; f may be called several times.
func (c *call) alter(what string, at view, f func(s *snapshot.Snapshot) ([]directory.Entry, error)) (*snapshot.Snapshot, error) {
	next, err := c.cfg.Store.Change(c.r.Context(), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		c.written = nil
		if err := c.permitted(s); err != nil {
			return nil, err
		}
		shown, revision, ok := at(s)
		current := ""
		c.change.Before = nil
		if ok {
			var err error
			if current, err = tagOf(revision, shown); err != nil {
				return nil, err
			}
			if c.change.Before, err = audited(shown); err != nil {
				return nil, err
			}
		}
		if err := c.match(what, current, ok); err != nil {
			return nil, err
		}
		entries, err := f(s)
		c.written = entries
		if err == nil {
			err = c.keepsAnAdmin(s, entries)
		}
		if err == nil {
			err = c.harmsNobody(s, entries)
		}
		return entries, err
	})
	if err != nil {
		return nil, err
	}
	c.change.Revision = next.Latest()
	return next, nil
}

// show answers with a resource; what is how it is called if it is not there.
func (c *call) show(s *snapshot.Snapshot, what string, at view) (*answer, error) {
	shown, revision, ok := at(s)
	if !ok {
		return nil, notFound(what)
	}
	tag, err := tagOf(revision, shown)
	if err != nil {
		return nil, err
	}
	return &answer{body: shown, tag: tag}, nil
}

// changed answers with a resource as this call has made it, and remembers it for
// the audit. Others may have changed it since, or given it another name: there is
// no ETag then, since nobody has seen the resource so. They may even have removed
// it, and a key that was made is shown all the same.
func (c *call) changed(next *snapshot.Snapshot, at view) (*answer, error) {
	made, _, _ := c.snapshot.Apply(c.written)
	shown, _, _ := at(made)
	out := &answer{body: shown}
	if now, revision, ok := at(next); ok {
		tag, err := tagOf(revision, shown)
		if err != nil {
			return nil, err
		}
		current, err := tagOf(revision, now)
		if err != nil {
			return nil, err
		}
		if tag == current {
			out.tag = tag
		}
	}
	var err error
	c.change.After, err = audited(shown)
	return out, err
}

// audited is the JSON of a resource for the audit. Addresses that messages are
// pushed to can hold secrets beside their host.
func audited(shown any) (json.RawMessage, error) {
	if s, ok := shown.(wire.Subscription); ok {
		s.PushConfig.PushEndpoint = hostOnly(s.PushConfig.PushEndpoint)
		s.PushConfig.MattermostURL = hostOnly(s.PushConfig.MattermostURL)
		shown = s
	}
	return json.Marshal(shown)
}

// hostOnly is an address without what follows the host.
func hostOnly(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// record writes a change into the audit. An attempt that is nobody's is not one.
func (c *call) record(err error, took time.Duration) {
	if c.user != nil {
		c.change.Actor, c.change.ActorKeyID = c.user.Name, c.keyID
	}
	if !c.route.Changes() || c.tried || c.flood || c.change.Actor == "" {
		return
	}
	e := c.change
	e.Time, e.RequestID, e.ClientHost = c.at, c.id, c.host
	e.Action, e.Resource, e.Total = c.route.Name, c.resource(), took
	e.Outcome = audit.Changed
	if err != nil {
		f := asFailure(err)
		e.Outcome, e.Code, e.Cause = audit.Refused, strings.ToLower(f.status), c.causeOf(err)
		e.After, e.Revision = nil, 0
		if f.code >= http.StatusInternalServerError {
			e.Outcome = audit.Failed
		}
	}
	c.cfg.Audit(e)
}

// resource is what a change is about: the path without version and verb. A
// variable that looks like a secret is not shown.
func (c *call) resource() string {
	path, _, _ := strings.Cut(strings.TrimPrefix(c.route.Path, "/v1"), ":")
	for _, name := range c.route.Variables() {
		value := c.vars[name]
		if !secret.NewFilter(c.key).Clean(value) || !pathName.MatchString(value) {
			value = secret.Hidden
		}
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}
