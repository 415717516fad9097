package users

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/internal/phc"
)

// maxHashing is how many passwords are hashed at once: each takes 19 MiB and a CPU, which
// the logins need.
const maxHashing = 2

func (h *Handlers) passwordRoutes() []rest.Route {
	access := rest.Admins()
	const path = pathUser + "/password"
	return []rest.Route{
		{
			Name: "password.show", Method: http.MethodGet, Path: path, Access: rest.Readers(), Handler: showPassword,
			Doc:      "Returns whether a user has a password, without the password or its hash.",
			Response: wire.Password{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "password.set", Method: http.MethodPut, Path: path, Access: access, Handler: h.setPassword,
			Doc:  "Sets the password of a user, or changes whether it works, when and from where. Fields that are not set stay as they are. A new password is valid from the next connect on.",
			Body: wire.PasswordInput{}, Response: wire.Password{}, ETag: true, BeyondAMS: true,
		},
		{
			Name: "password.delete", Method: http.MethodDelete, Path: path, Access: access, Handler: deletePassword,
			Doc:  "Removes the password of a user. It is refused from the next connect on; " + openConnections,
			ETag: true, BeyondAMS: true,
		},
	}
}

func passwordView(user string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(user)
		if !ok {
			return nil, 0, false
		}
		k := passwordOf(u)
		if k == nil {
			return nil, 0, false
		}
		out := wire.Password{Key: keyOf(k), Algorithm: "argon2id"}
		if _, ok := phc.Bcrypt(k.Other.PasswordHash); ok {
			out.Algorithm = "bcrypt"
		}
		return out, k.Revision, true
	}
}

// passwordOf returns the password of a user; nil: it has none. An entry that was written
// by hand may have another id than the usual one.
func passwordOf(u *directory.User) *directory.Key {
	if all := u.KeysOf(directory.KeyPassword); len(all) > 0 {
		return all[0]
	}
	return nil
}

func showPassword(r *rest.Request) (*rest.Response, error) {
	return showOther(r, kindOf(directory.KeyPassword), passwordView(r.Var(rest.VarUser)))
}

var errOnePassword = errors.New("password and hash: at most one may be set")

func (h *Handlers) setPassword(r *rest.Request) (*rest.Response, error) {
	in, user := r.Body.(*wire.PasswordInput), r.Var(rest.VarUser)
	if in.Password != "" && in.Hash != "" {
		return nil, r.InvalidBody(errOnePassword)
	}
	if err := applyTerms(&directory.Key{}, &in.KeyTerms, r.Now()); err != nil {
		return nil, r.InvalidBody(err)
	}
	hash := in.Hash
	if in.Password != "" {
		var err error
		hash, err = h.hash(r.Context(), in.Password, r.Random())
		switch {
		case errors.Is(err, phc.ErrNoPassword), errors.Is(err, phc.ErrLongPassword):
			return nil, r.InvalidBody(err)
		case err != nil && r.Context().Err() != nil:
			return nil, apierror.TooManyRequests("Too many passwords are set at once", time.Second)
		case err != nil:
			return nil, err
		}
	}
	view := passwordView(user)
	return commitOther(r, kindOf(directory.KeyPassword), view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		k := directory.Key{Created: r.Now()}
		old := passwordOf(u)
		switch {
		case old != nil:
			k = *old
		case hash == "":
			return nil, r.InvalidBody(errNoPassword)
		}
		if hash != "" {
			k.Other, k.Created = &directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: hash}, r.Now()
		}
		if k.ID == "" {
			k.ID = k.DefaultID()
			if err := checkNewKey(u, k.ID, directory.KeyPassword); err != nil {
				return nil, err
			}
		}
		if err := applyTerms(&k, &in.KeyTerms, r.Now()); err != nil {
			return nil, r.InvalidBody(err)
		}
		k.Digest, _ = k.DigestFor(u.ID)
		if problems := k.Check(u.ID); len(problems) > 0 {
			return nil, r.InvalidBody(problems[0])
		}
		return directory.Put(directory.KeyKey(u.ID, k.ID), &k), nil
	})
}

var errNoPassword = errors.New("password: is missing, and the user has none")

// hash returns the hash of a password. It waits until few others are hashed.
func (h *Handlers) hash(ctx context.Context, password string, random io.Reader) (string, error) {
	select {
	case h.hashing <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-h.hashing }()
	return phc.New(password, random)
}

func deletePassword(r *rest.Request) (*rest.Response, error) {
	user := r.Var(rest.VarUser)
	_, err := r.Commit(kindOf(directory.KeyPassword), passwordView(user), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		k := passwordOf(u)
		if k == nil {
			return nil, apierror.NotFound(apierror.Password)
		}
		return directory.Remove(directory.KeyKey(u.ID, k.ID)), nil
	})
	return &rest.Response{}, err
}
