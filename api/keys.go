package api

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
	"usher/tokens/apikey"
)

// maxNetworks is how many networks one key may be used from.
const maxNetworks = 100

func keyView(user, id string) view {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		u, ok := s.User(user)
		if !ok {
			return nil, 0, false
		}
		k := keyOf(u, id)
		if k == nil {
			return nil, 0, false
		}
		return shownKey(k), k.Revision, true
	}
}

func keyOf(u *directory.User, id string) *directory.Key {
	if i := slices.IndexFunc(u.Keys, func(k directory.Key) bool { return k.ID == id }); i >= 0 {
		return &u.Keys[i]
	}
	return nil
}

func listKeys(c *call) (*answer, error) {
	u, ok := c.snapshot.User(c.vars[varUser])
	if !ok {
		return nil, notFound(whatUser)
	}
	found, next, total, err := page(c, slices.Values(pointers(u.Keys)), func(k *directory.Key) position { return position{k.Created, k.ID} })
	if err != nil {
		return nil, err
	}
	out := wire.KeyList{Keys: []wire.Key{}, NextPageToken: next, TotalSize: total}
	for _, k := range found {
		out.Keys = append(out.Keys, shownKey(k))
	}
	return &answer{body: out}, nil
}

func showKey(c *call) (*answer, error) {
	if _, ok := c.snapshot.User(c.vars[varUser]); !ok {
		return nil, notFound(whatUser)
	}
	return c.show(c.snapshot, whatKey, keyView(c.vars[varUser], c.vars[varKey]))
}

func createKey(c *call) (*answer, error) {
	in, user := c.body.(*wire.KeyInput), c.vars[varUser]
	if err := c.newName(varKey, in.Name); err != nil {
		return nil, err
	}
	wanted, err := keyFrom(in, c.now())
	if err != nil {
		return nil, c.arguments(err)
	}
	token, err := apikey.New(c.cfg.Random)
	if err != nil {
		return nil, err
	}
	wanted.Digest = directory.DigestOf(token)
	at := keyView(user, in.Name)
	next, err := c.alter(whatKey, at, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, notFound(whatUser)
		}
		if keyOf(u, in.Name) != nil {
			return nil, exists(whatKey)
		}
		k := wanted
		return directory.Put(directory.KeyKey(u.ID, in.Name), &k), nil
	})
	if err != nil {
		return nil, err
	}
	out, err := c.changed(next, at)
	if err != nil {
		return nil, err
	}
	key, _ := out.body.(wire.Key)
	out.body = wire.KeyCreated{Key: key, Token: token}
	return out, nil
}

// keyFrom returns the key that is asked for, without its digest.
func keyFrom(in *wire.KeyInput, now time.Time) (directory.Key, error) {
	k := directory.Key{Created: now}
	if in.NotBefore != nil {
		k.NotBefore = in.NotBefore.UTC()
	}
	var err error
	if k.Expires, err = endOf(in.ExpiresOn, in.ExpiresIn, now); err != nil {
		return k, err
	}
	if len(in.SourceNetworks) > maxNetworks {
		return k, fmt.Errorf("source_networks: at most %d are allowed", maxNetworks)
	}
	for _, text := range in.SourceNetworks {
		n, err := parseNetwork(text)
		if err != nil {
			return k, errors.New("source_networks: expected addresses or networks such as \"192.0.2.0/24\"")
		}
		k.Networks = append(k.Networks, n)
	}
	return k, nil
}

// endOf returns when a key ends of which at most one of the two is said; zero: it
// does not.
func endOf(on *time.Time, within string, now time.Time) (time.Time, error) {
	var end time.Time
	if on != nil {
		end = on.UTC()
	}
	if within != "" {
		lasts, err := time.ParseDuration(within)
		if err != nil || lasts <= 0 || on != nil {
			return end, errors.New("expires_in: expected a duration such as \"720h\", and no expires_on beside it")
		}
		end = now.Add(lasts)
	}
	if (on != nil || !end.IsZero()) && !end.After(now) {
		return end, errors.New("expires_on: has passed")
	}
	return end, nil
}

// parseNetwork reads a network or a single address. One of IPv6 that holds IPv4
// addresses would contain no client.
func parseNetwork(text string) (netip.Prefix, error) {
	n, err := netip.ParsePrefix(text)
	if a, notAddress := netip.ParseAddr(text); notAddress == nil && a.Zone() == "" {
		n, err = a.Prefix(a.BitLen())
	}
	if err == nil && n.Addr().Is4In6() {
		err = errors.New("IPv4 in IPv6")
	}
	return n.Masked(), err
}

func deleteKey(c *call) (*answer, error) {
	user, id := c.vars[varUser], c.vars[varKey]
	_, err := c.alter(whatKey, keyView(user, id), func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		u, ok := s.User(user)
		if !ok {
			return nil, notFound(whatUser)
		}
		if keyOf(u, id) == nil {
			return nil, notFound(whatKey)
		}
		return directory.Remove(directory.KeyKey(u.ID, id)), nil
	})
	return &answer{}, err
}
