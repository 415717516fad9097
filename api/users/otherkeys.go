package users

import (
	"errors"
	"slices"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// otherKeys are the handlers of the keys of one kind that is no API key, of which a user
// may have several.
type otherKeys struct {
	kind directory.KeyKind
	show func(k *directory.Key) any
	page func(keys []*directory.Key, next string, total int) any
	read func(body any) (name string, other directory.OtherKey, terms *wire.KeyTerms)
}

func (o *otherKeys) list(r *rest.Request) (*rest.Response, error) {
	u, ok := r.Snapshot.User(r.Var(rest.VarUser))
	if !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	page, err := rest.PageOf(r, slices.Values(u.KeysOf(o.kind)), func(k *directory.Key) rest.Position { return rest.Position{Created: k.Created, Name: k.ID} })
	if err != nil {
		return nil, err
	}
	return &rest.Response{Body: o.page(page.Items, page.Next, page.Total)}, nil
}

func (o *otherKeys) showOne(r *rest.Request) (*rest.Response, error) {
	return showOther(r, kindOf(o.kind), o.view(r.Var(rest.VarUser), r.Var(rest.VarKey)))
}

func showOther(r *rest.Request, kind apierror.Kind, view rest.View) (*rest.Response, error) {
	if _, ok := r.Snapshot.User(r.Var(rest.VarUser)); !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	return r.Show(kind, view)
}

func (o *otherKeys) view(user, id string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(user)
		if !ok {
			return nil, 0, false
		}
		k := findKey(u, id, o.kind)
		if k == nil {
			return nil, 0, false
		}
		return o.show(k), k.Revision, true
	}
}

func (o *otherKeys) create(r *rest.Request) (*rest.Response, error) {
	name, other, terms := o.read(r.Body)
	if err := r.CheckNewName(rest.VarKey, name); err != nil {
		return nil, err
	}
	created := directory.Key{Other: &other, Created: r.Now()}
	if err := applyTerms(&created, terms, r.Now()); err != nil {
		return nil, r.InvalidBody(err)
	}
	user := r.Var(rest.VarUser)
	return commitOther(r, kindOf(o.kind), o.view(user, name), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		if err := checkNewKey(u, name, o.kind); err != nil {
			return nil, err
		}
		k := created
		if err := completeOther(r, s, u, &k); err != nil {
			return nil, err
		}
		return directory.Put(directory.KeyKey(u.ID, name), &k), nil
	})
}

// completeOther gives a new key its digest, and checks its content.
func completeOther(r *rest.Request, s *snapshot.Snapshot, u *directory.User, k *directory.Key) error {
	k.Digest, _ = k.DigestFor(u.ID)
	if problems := k.Check(u.ID); len(problems) > 0 {
		err := r.InvalidBody(errors.New(problems[0].Error()))
		if hint := problems[0].Hint; hint != "" {
			err = err.WithDetails(hint)
		}
		return err
	}
	if rec, ok := s.LookupKey(k.Digest); ok {
		return apierror.Conflict("This %s already belongs to a user", k.Kind().Noun()).
			WithDetails("it is " + rec.Key.ID + " of user " + rec.User.Name)
	}
	return nil
}

// commitOther commits a change, and responds with the key.
func commitOther(r *rest.Request, kind apierror.Kind, view rest.View, f func(*snapshot.Snapshot) ([]directory.Entry, error)) (*rest.Response, error) {
	next, err := r.Commit(kind, view, f)
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, view)
}

func (o *otherKeys) update(r *rest.Request) (*rest.Response, error) {
	terms, user, id := r.Body.(*wire.KeyTerms), r.Var(rest.VarUser), r.Var(rest.VarKey)
	if err := applyTerms(&directory.Key{}, terms, r.Now()); err != nil {
		return nil, r.InvalidBody(err)
	}
	return commitOther(r, kindOf(o.kind), o.view(user, id), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, k, err := existingKey(s, user, id, o.kind)
		if err != nil {
			return nil, err
		}
		changed := *k
		if err := applyTerms(&changed, terms, r.Now()); err != nil {
			return nil, r.InvalidBody(err)
		}
		change := directory.Put(directory.KeyKey(u.ID, id), &changed)
		if o.kind == directory.KeyBinding && changed.Disabled {
			change = append(change, removeLogins(u, k)...)
		}
		return change, nil
	})
}

func existingKey(s *snapshot.Snapshot, user, id string, kind directory.KeyKind) (*directory.User, *directory.Key, error) {
	u, ok := s.User(user)
	if !ok {
		return nil, nil, apierror.NotFound(apierror.User)
	}
	k := findKey(u, id, kind)
	if k == nil {
		return nil, nil, apierror.NotFound(kindOf(kind))
	}
	return u, k, nil
}

func (o *otherKeys) remove(r *rest.Request) (*rest.Response, error) {
	return removeOther(r, o.view(r.Var(rest.VarUser), r.Var(rest.VarKey)), r.Var(rest.VarKey), o.kind)
}

func removeOther(r *rest.Request, view rest.View, id string, kind directory.KeyKind) (*rest.Response, error) {
	_, err := r.Commit(kindOf(kind), view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, k, err := existingKey(s, r.Var(rest.VarUser), id, kind)
		if err != nil {
			return nil, err
		}
		change := directory.Remove(directory.KeyKey(u.ID, k.ID))
		if kind == directory.KeyBinding {
			change = append(change, removeLogins(u, k)...)
		}
		return change, nil
	})
	return &rest.Response{}, err
}

// removeLogins removes the keys that clients got for a binding.
func removeLogins(u *directory.User, binding *directory.Key) []directory.Entry {
	var change []directory.Entry
	for _, k := range u.Logins(binding) {
		change = append(change, directory.Remove(directory.KeyKey(u.ID, k.ID))...)
	}
	return change
}

// applyTerms sets in a key what the request sets.
func applyTerms(k *directory.Key, in *wire.KeyTerms, now time.Time) error {
	if in.Enabled != nil {
		k.Disabled = !*in.Enabled
	}
	if in.NotBefore != nil {
		k.NotBefore = in.NotBefore.UTC()
	}
	switch {
	case in.ExpiresIn == wire.Never && in.ExpiresOn == nil:
		k.Expires = time.Time{}
	case in.ExpiresIn != "" || in.ExpiresOn != nil:
		var err error
		if k.Expires, err = expiryFrom(in.ExpiresOn, in.ExpiresIn, now); err != nil {
			return err
		}
	}
	if !k.Expires.IsZero() && !k.NotBefore.Before(k.Expires) {
		return errors.New("not_before: is not before the end of the key")
	}
	if in.SourceNetworks == nil {
		return nil
	}
	var err error
	k.Networks, err = networksFrom(in.SourceNetworks)
	return err
}
