package api

import (
	"encoding/json"
	"time"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// refreshToken gives a user a new key in place of one that it has.
func refreshToken(c *call) (*answer, error) {
	in, name := c.body.(*wire.RefreshToken), c.vars[varUser]
	var grace time.Duration
	if in.Grace != "" {
		var err error
		if grace, err = time.ParseDuration(in.Grace); err != nil || grace < 0 {
			return nil, invalid("Invalid grace Arguments")
		}
	}
	end, err := endOf(in.ExpiresOn, in.ExpiresIn, c.now())
	if err != nil {
		return nil, c.arguments(err)
	}
	token, err := apikey.New(c.cfg.Random)
	if err != nil {
		return nil, err
	}
	var refreshed string
	var before []wire.Key
	at := userView(&name)
	next, err := c.alter(whatUser, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(name)
		if !ok {
			return nil, notFound(whatUser)
		}
		old, err := whichKey(u, in.Key)
		if err != nil {
			return nil, err
		}
		if refreshed, before = wire.DefaultKey, []wire.Key{}; old != nil {
			refreshed, before = old.ID, []wire.Key{shownKey(old)}
		}
		return c.replace(u, old, refreshed, token, end, grace)
	})
	if err != nil {
		return nil, err
	}
	out, err := c.created(next, at, token, refreshed)
	if err != nil {
		return nil, err
	}
	return out, c.auditKeys(before)
}

// keys is what the audit says of a refreshed key, which the user does not show:
// the key before, and after it the new one and what stays of the old one.
type keys struct {
	Keys []wire.Key `json:"keys"`
}

func (c *call) auditKeys(before []wire.Key) (err error) {
	after := []wire.Key{}
	for _, e := range c.written {
		if k, ok := e.Value.(*directory.Key); ok {
			shown := *k
			shown.ID = e.Key.Name
			after = append(after, shownKey(&shown))
		}
	}
	if c.change.Before, err = json.Marshal(keys{before}); err != nil {
		return err
	}
	c.change.After, err = json.Marshal(keys{after})
	return err
}

// whichKey returns the key that is to be replaced: the one that is named, or the
// one that the user was made with, or the only one. Nil: the user has none.
func whichKey(u *directory.User, named string) (*directory.Key, error) {
	switch {
	case named != "":
		if k := keyOf(u, named); k != nil {
			return k, nil
		}
		f := notFound(whatKey)
		f.details = []string{"user " + u.Name + " has no key " + shownName(named)}
		return nil, f
	case keyOf(u, wire.DefaultKey) != nil:
		return keyOf(u, wire.DefaultKey), nil
	case len(u.Keys) == 0:
		return nil, nil //nolint:nilnil // there is nothing to replace, and that is well
	case len(u.Keys) == 1:
		return &u.Keys[0], nil
	default:
		return nil, conflict("User has several keys: say which")
	}
}

// replace returns the change that puts a new key in the place of an old one. It
// may be used from where the old one may, and ends when it is said to, or else
// lasts as long as that did from its making; the old one moves aside for the grace
// period.
func (c *call) replace(u *directory.User, old *directory.Key, id, token string, end time.Time, grace time.Duration) ([]directory.Entry, error) {
	k := &directory.Key{Digest: directory.DigestOf(token), Created: c.now(), Expires: end}
	change := directory.Put(directory.KeyKey(u.ID, id), k)
	if old == nil {
		return change, nil
	}
	k.Networks = old.Networks
	switch {
	case !end.IsZero() || old.Expires.IsZero():
	case old.Created.IsZero():
		k.Expires = old.Expires
	default:
		k.Expires = c.now().Add(old.Expires.Sub(old.Created))
	}
	if !k.Expires.IsZero() && !k.Expires.After(c.now()) {
		f := conflict("Key has expired, and the new one would have too")
		f.details = []string{"say when the new one ends: expires_in or expires_on"}
		return nil, f
	}
	if until := c.now().Add(grace); grace > 0 && !old.Disabled && (old.Expires.IsZero() || old.Expires.After(c.now())) {
		aside := *old
		if aside.Expires.IsZero() || aside.Expires.After(until) {
			aside.Expires = until
		}
		if !aside.NotBefore.Before(aside.Expires) { // it would not have been valid in that time
			return change, nil
		}
		if aside.ID = asideName(id, old.Digest); keyOf(u, aside.ID) != nil {
			return nil, exists(whatKey)
		}
		change = append(change, directory.Put(directory.KeyKey(u.ID, aside.ID), &aside)...)
	}
	return change, nil
}

// asideName is the name of a key that was replaced, as long as it still works.
func asideName(id string, digest directory.Digest) string {
	name := id + "-" + digest.KeyID()
	if directory.CheckName(name) != nil { // too long
		name = digest.KeyID()
	}
	return name
}
