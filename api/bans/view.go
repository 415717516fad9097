package bans

import (
	"errors"
	"net/netip"
	"time"

	"usher/api/rest"
	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

func viewOf(r *rest.Request, id string) rest.View {
	return func(s *snapshot.Snapshot) (any, uint64, bool) {
		b, ok := s.Bans().Find(id)
		if !ok {
			return nil, 0, false
		}
		return banOf(r, s, b), b.Revision, true
	}
}

func banOf(r *rest.Request, s *snapshot.Snapshot, b *directory.Ban) wire.Ban {
	t := &b.Target
	out := wire.Ban{
		ID: b.ID, Reason: b.Reason, By: b.By, CreatedOn: wire.Time(b.Created), Until: wire.Time(b.Until),
		IssuedBefore: wire.Time(b.IssuedBefore), InForce: b.InForce(r.Now()),
		BanTarget: wire.BanTarget{
			User: rest.UserName(s, t.User), Key: t.Key, MQTTClientID: t.MQTTClientID, Account: t.Account,
			Authority: t.Authority, IdentityID: t.IdentityID, SessionID: t.SessionID,
		},
	}
	switch t.Kind() {
	case directory.BanOfDigest:
		out.Digest = t.Digest.String()
	case directory.BanOfNetwork:
		out.Network = t.Network.String()
	case directory.BanOfUser, directory.BanOfKey, directory.BanOfMQTT, directory.BanOfIdentity:
	}
	return out
}

var (
	errNetwork = errors.New("network: expected an address or a network such as \"192.0.2.0/24\"")
	errDigest  = errors.New("digest: expected sha256: and 64 hex digits")
	errFor     = errors.New("for: expected a duration such as \"1h\", and no until")
	errNoEnd   = errors.New("for: a ban needs an end: for or until")
	errPast    = errors.New("until: is in the past")
)

// banFrom returns the ban that a request describes, without id, user and author.
func banFrom(in *wire.BanInput, now time.Time) (directory.Ban, error) {
	b := directory.Ban{
		User: in.User, Reason: in.Reason, Created: now.Truncate(time.Second),
		Target: directory.BanTarget{
			Key: in.Key, MQTTClientID: in.MQTTClientID, Account: in.Account,
			Authority: in.Authority, IdentityID: in.IdentityID, SessionID: in.SessionID,
		},
	}
	if in.IssuedBefore != nil {
		b.IssuedBefore = in.IssuedBefore.UTC()
	}
	var err error
	if b.Until, err = untilFrom(in, now); err != nil {
		return b, err
	}
	if in.Network != "" {
		if b.Target.Network, err = parseNetwork(in.Network); err != nil {
			return b, errNetwork
		}
	}
	if in.Digest != "" && b.Target.Digest.UnmarshalText([]byte(in.Digest)) != nil {
		return b, errDigest
	}
	return b, nil
}

func untilFrom(in *wire.BanInput, now time.Time) (time.Time, error) {
	switch {
	case in.For != "":
		d, err := time.ParseDuration(in.For)
		if err != nil || d <= 0 || in.Until != nil {
			return time.Time{}, errFor
		}
		return now.Add(d), nil
	case in.Until == nil:
		return time.Time{}, errNoEnd
	case !in.Until.After(now):
		return time.Time{}, errPast
	}
	return in.Until.UTC(), nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}
