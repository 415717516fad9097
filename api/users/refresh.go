package users

import (
	"cmp"
	"encoding/json"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// refreshToken replaces a key of a user.
func refreshToken(r *rest.Request) (*rest.Response, error) {
	in, name := r.Body.(*wire.RefreshToken), r.Var(rest.VarUser)
	var grace time.Duration
	if in.Grace != "" {
		var err error
		if grace, err = time.ParseDuration(in.Grace); err != nil || grace < 0 {
			return nil, apierror.Invalid("Invalid grace Arguments").WithDetails("expected a duration such as \"1h\"")
		}
	}
	expiry, err := expiryFrom(in.ExpiresOn, in.ExpiresIn, r.Now())
	if err != nil {
		return nil, r.InvalidBody(err)
	}
	token, err := apikey.New(r.Random())
	if err != nil {
		return nil, err
	}
	var id string // of the key that is replaced
	var before []wire.Key
	view := userView(&name)
	next, err := r.Commit(apierror.User, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(name)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		old, err := keyToReplace(u, in.Key)
		if err != nil {
			return nil, err
		}
		if id, before = wire.DefaultKey, []wire.Key{}; old != nil {
			id, before = old.ID, []wire.Key{keyOf(old)}
		} else if err := checkNewKey(u, id, directory.KeyAPI); err != nil {
			return nil, err
		}
		return replaceKey(u, old, id, token, replacement{now: r.Now(), expiry: expiry, grace: grace})
	})
	if err != nil {
		return nil, err
	}
	out, err := showWithKey(r, next, view, token, id)
	if err != nil {
		return nil, err
	}
	return out, auditKeys(r, before)
}

// keyChange is what the audit contains of a refresh: the JSON of a user does not include keys.
type keyChange struct {
	Keys []wire.Key `json:"keys"`
}

// auditKeys sets the key before the change, and the keys that the change has written.
func auditKeys(r *rest.Request, before []wire.Key) (err error) {
	after := []wire.Key{}
	for _, e := range r.Written {
		if k, ok := e.Value.(*directory.Key); ok {
			shown := *k
			shown.ID = e.Key.Name
			after = append(after, keyOf(&shown))
		}
	}
	if r.Change.Before, err = json.Marshal(keyChange{before}); err != nil {
		return err
	}
	r.Change.After, err = json.Marshal(keyChange{after})
	return err
}

// keyToReplace returns the named API key; without a name the default key, or else the only
// one. It returns nil if the user has no API key.
func keyToReplace(u *directory.User, name string) (*directory.Key, error) {
	all, named := u.KeysOf(directory.KeyAPI), findKey(u, cmp.Or(name, wire.DefaultKey), directory.KeyAPI)
	switch {
	case named != nil:
		return named, nil
	case name != "":
		return nil, apierror.NotFound(apierror.Key).WithDetails("user " + u.Name + " has no key " + apierror.SafeName(name))
	case len(all) == 0:
		return nil, nil //nolint:nilnil // a user without a key gets its first one
	case len(all) == 1:
		return all[0], nil
	default:
		return nil, apierror.Conflict("User has several keys: say which")
	}
}

// replacement says how a key is replaced.
type replacement struct {
	now    time.Time
	expiry time.Time     // of the new key; zero: it lasts as long as the old one did
	grace  time.Duration // how long the old key still works; 0: until the next connect
}

// replaceKey returns the change that replaces the key old, which may be nil, by a new one
// with the same id and the same networks. During the grace period the old key works
// under another id.
func replaceKey(u *directory.User, old *directory.Key, id, token string, how replacement) ([]directory.Entry, error) {
	k := &directory.Key{Digest: directory.DigestOf(token), Created: how.now, Expires: how.expiry}
	change := directory.Put(directory.KeyKey(u.ID, id), k)
	if old == nil {
		return change, nil
	}
	k.Networks = old.Networks
	switch {
	case !how.expiry.IsZero() || old.Expires.IsZero():
	case old.Created.IsZero():
		k.Expires = old.Expires
	default:
		k.Expires = how.now.Add(old.Expires.Sub(old.Created))
	}
	if !k.Expires.IsZero() && !k.Expires.After(how.now) {
		return nil, apierror.Conflict("Key has expired, and the new one would have expired too").
			WithDetails("say when the new one expires: expires_in or expires_on")
	}
	if retiring := retiringKey(old, how); retiring != nil {
		if retiring.ID = retiringID(id, old.Digest); anyKey(u, retiring.ID) != nil {
			return nil, apierror.AlreadyExists(apierror.Key)
		}
		change = append(change, directory.Put(directory.KeyKey(u.ID, retiring.ID), retiring)...)
	}
	return change, nil
}

// retiringKey returns the old key as it works during the grace period; nil: it does not
// work any more.
func retiringKey(old *directory.Key, how replacement) *directory.Key {
	if how.grace == 0 || old.Disabled || !old.Expires.IsZero() && !old.Expires.After(how.now) {
		return nil
	}
	k, end := *old, how.now.Add(how.grace)
	if k.Expires.IsZero() || k.Expires.After(end) {
		k.Expires = end
	}
	if !k.NotBefore.Before(k.Expires) { // it would not become valid before it expires
		return nil
	}
	return &k
}

// retiringID is the id of a replaced key during its grace period.
func retiringID(id string, digest directory.Digest) string {
	name := id + "-" + digest.KeyID()
	if directory.CheckName(name) != nil { // too long
		name = digest.KeyID()
	}
	return name
}
