package bans

import (
	"encoding/hex"
	"io"
	"slices"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func list(r *rest.Request) (*rest.Response, error) {
	page, err := rest.PageOf(r, r.Snapshot.Bans().All(), func(b *directory.Ban) rest.Position {
		return rest.Position{Created: b.Created, Name: b.ID}
	})
	if err != nil {
		return nil, err
	}
	out := wire.BanList{Bans: []wire.Ban{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, b := range page.Items {
		out.Bans = append(out.Bans, banOf(r, r.Snapshot, b))
	}
	return &rest.Response{Body: out}, nil
}

func show(r *rest.Request) (*rest.Response, error) {
	return r.Show(apierror.Ban, viewOf(r, r.Var(rest.VarBan)))
}

func create(r *rest.Request) (*rest.Response, error) {
	in := r.Body.(*wire.BanInput)
	b, err := banFrom(in, r.Now())
	if err != nil {
		return nil, r.InvalidBody(err)
	}
	b.By = r.Caller.Name
	if b.ID = in.ID; b.ID == "" {
		b.ID, err = newID(r.Random())
	} else {
		err = r.CheckNewName(rest.VarBan, b.ID)
	}
	if err != nil {
		return nil, err
	}
	view := viewOf(r, b.ID)
	next, err := r.Commit(apierror.Ban, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if old, ok := s.Bans().Find(b.ID); ok && old.InForce(r.Now()) {
			return nil, apierror.AlreadyExists(apierror.Ban)
		}
		own := b
		if in.User != "" {
			u, ok := s.User(in.User)
			if !ok {
				return nil, apierror.NotFoundNamed(apierror.User, in.User)
			}
			if in.Key != "" && !slices.ContainsFunc(u.Keys, func(k directory.Key) bool { return k.ID == in.Key }) {
				return nil, apierror.NotFoundNamed(apierror.Key, in.Key) // a typo must not look like a ban
			}
			own.Target.User = u.ID
		}
		if problems := own.Check(); len(problems) > 0 {
			return nil, r.InvalidBody(problems[0])
		}
		return directory.Put(directory.BanKey(b.ID), &own), nil
	})
	if err != nil {
		return nil, err
	}
	return r.ShowCommitted(next, view)
}

func lift(r *rest.Request) (*rest.Response, error) {
	id := r.Var(rest.VarBan)
	_, err := r.Commit(apierror.Ban, viewOf(r, id), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if _, ok := s.Bans().Find(id); !ok {
			return nil, apierror.NotFound(apierror.Ban)
		}
		return directory.Remove(directory.BanKey(id)), nil
	})
	if err != nil {
		return nil, err
	}
	return &rest.Response{Body: wire.Empty{}}, nil
}

// newID returns a new id of a ban: 12 hex digits.
func newID(random io.Reader) (string, error) {
	var b [6]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", apierror.Internal(err)
	}
	return hex.EncodeToString(b[:]), nil
}
