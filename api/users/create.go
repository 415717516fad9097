package users

import (
	"github.com/google/uuid"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// newUser is a user that a request creates.
type newUser struct {
	id   uuid.UUID
	name string
	key  string // the API key itself
	in   *wire.UserInput
}

// prepareUser checks the request, and draws id and key of the new user.
func prepareUser(r *rest.Request, name string, in *wire.UserInput) (*newUser, error) {
	if err := r.CheckNewName(rest.VarUser, name); err != nil {
		return nil, err
	}
	if in.Name != nil && *in.Name != name {
		return nil, r.InvalidBody(rest.ErrOtherName)
	}
	if err := checkUser(r, in); err != nil {
		return nil, err
	}
	id, err := r.NewUUID()
	if err != nil {
		return nil, err
	}
	key, err := apikey.New(r.Random())
	if err != nil {
		return nil, err
	}
	return &newUser{id, name, key, in}, nil
}

// entries returns the change that creates the user, its key and its memberships.
func (n *newUser) entries(r *rest.Request, s *snapshot.Snapshot) ([]directory.Entry, error) {
	if _, ok := s.User(n.name); ok {
		return nil, apierror.AlreadyExists(apierror.User)
	}
	if s.HasUnreadable(directory.KindUser) {
		return nil, apierror.NameUnknown(apierror.User)
	}
	u := &directory.User{Name: n.name, Made: r.Made()}
	apply(u, n.in)
	change := []directory.Entry{
		{Key: directory.UserKey(n.id), Value: u},
		{Key: directory.KeyKey(n.id, wire.DefaultKey), Value: &directory.Key{Digest: directory.DigestOf(n.key), Created: r.Now()}},
	}
	for _, m := range n.in.Projects {
		p, err := findProject(s, m.Project)
		if err != nil {
			return nil, err
		}
		change = append(change, directory.Entry{Key: directory.MemberKey(p.ID, n.id), Value: &directory.Member{Roles: rolesOf(m.Roles)}})
	}
	return change, nil
}

// showWithKey responds with a user and its new key.
func showWithKey(r *rest.Request, next *snapshot.Snapshot, view rest.View, key, keyName string) (*rest.Response, error) {
	out, err := r.ShowCommitted(next, view)
	if err != nil {
		return nil, err
	}
	user, _ := out.Body.(wire.User)
	created := wire.UserCreated{User: user, Token: key, Key: keyName}
	for _, e := range r.Written {
		if k, ok := e.Value.(*directory.Key); ok && e.Key.Name == keyName {
			created.ExpiresOn = wire.Time(k.Expires)
		}
	}
	out.Body = created
	return out, nil
}
