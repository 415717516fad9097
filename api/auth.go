package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"usher/callout/admission"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens"
	"usher/tokens/apikey"
)

// HeaderKey is the header that holds the key.
const HeaderKey = "x-api-key"

// QueryKey is the parameter of the URL that holds the key, where that is allowed.
const QueryKey = "key"

// presented returns the key of a request. In both places, a header that is not
// empty wins and decides alone.
func (c *call) presented() string {
	if c.cfg.KeyIn != KeyInQuery {
		if key := c.r.Header.Get(HeaderKey); key != "" {
			return key
		}
	}
	if c.cfg.KeyIn != KeyInHeader {
		return c.r.URL.Query().Get(QueryKey)
	}
	return ""
}

// authenticate finds out who asks. A good key is always let in: who fails too
// often is only told so in place of the usual answer.
func (c *call) authenticate() error {
	c.key = c.presented()
	if c.key == "" {
		return unauthorized()
	}
	c.snapshot = c.cfg.Store.Snapshot()
	var err error
	if c.user, c.keyID, err = c.who(c.snapshot); err == nil {
		return nil
	}
	var reason *tokens.Reason
	if errors.As(err, &reason) && reason.Identity.Name != "" {
		c.change.Actor, c.change.ActorKeyID = reason.Identity.Name, reason.Identity.KeyID
	}
	// What cannot be decided counts too: it is the same to whoever guesses.
	return c.limited(c.failures, admission.HostSource(c.host), notLetIn(err), "Too many failed keys from this address")
}

// limited counts a failure of a source, or says in its place that there were too
// many. A flood is neither audited nor logged as what it is.
func (c *call) limited(of *admission.Failures, source string, f *failure, message string) *failure {
	attempt := of.Attempt(source, "")
	if !of.HostExhausted(attempt) {
		of.Record(attempt)
		return f
	}
	c.flood = true
	f = fail(http.StatusTooManyRequests, "TOO_MANY_REQUESTS", "%s", message)
	f.header = http.Header{"Retry-After": {strconv.Itoa(int(max(1, math.Ceil(1/c.cfg.FailedKeys))))}}
	return f
}

// notLetIn is the failure of a key that was rejected, or that cannot be decided on.
func notLetIn(err error) *failure {
	if !errors.Is(err, tokens.ErrRejected) {
		return unavailable(err)
	}
	f := unauthorized()
	f.cause = err
	return f
}

// who returns whose key it is, by the rules for connections.
func (c *call) who(s *snapshot.Snapshot) (user *directory.User, keyID string, err error) {
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return s }, c.cfg.Now)
	id, err := v.Verify(c.r.Context(), &tokens.Credential{AuthToken: c.key, Host: c.host})
	if err != nil {
		return nil, "", err
	}
	user, _ = s.User(id.Name)
	return user, id.KeyID, nil
}

// authorize checks that a user may call the route. That a project does not exist
// is told to holders of a good key only.
func (c *call) authorize(s *snapshot.Snapshot, user *directory.User) error {
	var roles []directory.Role
	if len(c.route.Access.Project) > 0 {
		project := c.vars["project"]
		if _, ok := s.Project(project); !ok {
			if c.route.Left && c.cfg.Accounts != nil && hasAdmin(user) {
				return nil // its account may be left
			}
			return notFound("project")
		}
		m, _ := s.Member(project, user.Name)
		roles = m.Roles
	}
	if !c.route.Access.Permits(user.ServiceRoles, roles) {
		return forbidden()
	}
	return nil
}

// permitted checks again, on the snapshot that a change is made on, that who asks
// is still there and may still ask.
func (c *call) permitted(s *snapshot.Snapshot) error {
	if s == c.snapshot {
		return nil
	}
	user, _, err := c.who(s)
	if err != nil {
		return notLetIn(err)
	}
	c.user, c.snapshot = user, s
	return c.authorize(s, user)
}

// isServiceAdmin reports whether who asks may do everything.
func (c *call) isServiceAdmin() bool { return hasAdmin(c.user) }
