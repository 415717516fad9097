package users

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// maxNetworks is how many networks one key may list.
const maxNetworks = 100

func listKeys(r *rest.Request) (*rest.Response, error) {
	u, ok := r.Snapshot.User(r.Var(rest.VarUser))
	if !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	page, err := rest.PageOf(r, slices.Values(u.KeysOf(directory.KeyAPI)), func(k *directory.Key) rest.Position { return rest.Position{Created: k.Created, Name: k.ID} })
	if err != nil {
		return nil, err
	}
	out := wire.KeyList{Keys: []wire.Key{}, NextPageToken: page.Next, TotalSize: page.Total}
	for _, k := range page.Items {
		out.Keys = append(out.Keys, keyOf(k))
	}
	return &rest.Response{Body: out}, nil
}

func showKey(r *rest.Request) (*rest.Response, error) {
	if _, ok := r.Snapshot.User(r.Var(rest.VarUser)); !ok {
		return nil, apierror.NotFound(apierror.User)
	}
	return r.Show(apierror.Key, KeyView(r.Var(rest.VarUser), r.Var(rest.VarKey)))
}

func createKey(r *rest.Request) (*rest.Response, error) {
	in, user := r.Body.(*wire.KeyInput), r.Var(rest.VarUser)
	if err := r.CheckNewName(rest.VarKey, in.Name); err != nil {
		return nil, err
	}
	created, err := keyFrom(in, r.Now())
	if err != nil {
		return nil, r.InvalidBody(err)
	}
	token, err := apikey.New(r.Random())
	if err != nil {
		return nil, err
	}
	created.Digest = directory.DigestOf(token)
	view := KeyView(user, in.Name)
	next, err := r.Commit(apierror.Key, view, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		if err := checkNewKey(u, in.Name, directory.KeyAPI); err != nil {
			return nil, err
		}
		k := created
		return directory.Put(directory.KeyKey(u.ID, in.Name), &k), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := r.ShowCommitted(next, view)
	if err != nil {
		return nil, err
	}
	key, _ := out.Body.(wire.Key)
	out.Body = wire.KeyCreated{Key: key, Token: token}
	return out, nil
}

// keyFrom returns the key that a request describes, without its digest.
func keyFrom(in *wire.KeyInput, now time.Time) (directory.Key, error) {
	k := directory.Key{Created: now}
	if in.NotBefore != nil {
		k.NotBefore = in.NotBefore.UTC()
	}
	var err error
	if k.Expires, err = expiryFrom(in.ExpiresOn, in.ExpiresIn, now); err != nil {
		return k, err
	}
	k.Networks, err = networksFrom(in.SourceNetworks)
	return k, err
}

// networksFrom returns the networks from which a key may be used.
func networksFrom(texts []string) ([]netip.Prefix, error) {
	if len(texts) > maxNetworks {
		return nil, fmt.Errorf("source_networks: at most %d are allowed", maxNetworks)
	}
	var networks []netip.Prefix
	for _, text := range texts {
		n, err := parseNetwork(text)
		if err != nil {
			return nil, errors.New("source_networks: expected addresses or networks such as \"192.0.2.0/24\"")
		}
		networks = append(networks, n)
	}
	return networks, nil
}

// expiryFrom returns when a key expires, from expires_on and expires_in. At most one of them may be set;
// with neither, the result is zero: the key does not expire.
func expiryFrom(on *time.Time, in string, now time.Time) (time.Time, error) {
	var expiry time.Time
	if on != nil {
		expiry = on.UTC()
	}
	if in != "" {
		lifetime, err := time.ParseDuration(in)
		if err != nil || lifetime <= 0 || on != nil {
			return expiry, errors.New("expires_in: expected a duration such as \"720h\", without expires_on")
		}
		expiry = now.Add(lifetime)
	}
	if (on != nil || !expiry.IsZero()) && !expiry.After(now) {
		return expiry, errors.New("expires_on: is in the past")
	}
	return expiry, nil
}

// parseNetwork parses a network or a single address. It refuses IPv4-mapped IPv6
// networks: they would match no client.
func parseNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if a, notAddress := netip.ParseAddr(text); notAddress == nil && a.Zone() == "" {
		n, err = a.Prefix(a.BitLen())
	}
	if err == nil && n.Addr().Is4In6() {
		err = errors.New("IPv4-mapped IPv6 network")
	}
	return n.Masked(), err
}

func deleteKey(r *rest.Request) (*rest.Response, error) {
	user, id := r.Var(rest.VarUser), r.Var(rest.VarKey)
	_, err := r.Commit(apierror.Key, KeyView(user, id), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, apierror.NotFound(apierror.User)
		}
		if findKey(u, id, directory.KeyAPI) == nil {
			return nil, apierror.NotFound(apierror.Key)
		}
		return directory.Remove(directory.KeyKey(u.ID, id)), nil
	})
	return &rest.Response{}, err
}
