package sessions

import (
	"cmp"
	"net/netip"
	"net/url"
	"time"

	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/session"
	"usher/identity"
	"usher/permissions"
)

// filterOfQuery returns the filter of query parameters.
func filterOfQuery(q url.Values) wire.SessionFilter {
	return wire.SessionFilter{
		IDs: q["id"], User: q.Get("user"), Project: q.Get(rest.VarProject), Key: q.Get("key"), Method: q.Get("method"),
		Account: q.Get("account"), Server: q.Get("server"), From: q.Get("from"), Since: q.Get("since"),
		EndsWithin: q.Get("ends_within"), Subject: q.Get("subject"),
	}
}

// isEmpty reports whether a filter selects all sessions.
func isEmpty(f *wire.SessionFilter) bool {
	return len(f.IDs) == 0 && cmp.Or(f.User, f.Project, f.Key, f.Method, f.Account, f.Server, f.From, f.Since, f.EndsWithin, f.Subject) == ""
}

// parse checks a filter.
func parse(in *wire.SessionFilter, now time.Time) (*Filter, error) {
	f := &Filter{
		User: in.User, Project: in.Project, Key: in.Key, Method: identity.Method(in.Method), Account: in.Account, Server: in.Server, Subject: in.Subject,
	}
	for _, text := range in.IDs {
		id, err := session.ParseID(text)
		if err != nil {
			return nil, apierror.InvalidParameter("session id", "SERVER:CLIENT, such as NAB…:42")
		}
		f.IDs = append(f.IDs, id)
	}
	var ok bool
	if f.From, ok = parseNetwork(in.From); !ok {
		return nil, apierror.InvalidParameter("from", "an address or a network, such as 192.0.2.0/24")
	}
	if f.Since, ok = parseMoment(in.Since, func(d time.Duration) time.Time { return now.Add(-d) }); !ok {
		return nil, apierror.InvalidParameter("since", expectedTime)
	}
	if f.EndsBy, ok = parseMoment(in.EndsWithin, func(d time.Duration) time.Time { return now.Add(d) }); !ok {
		return nil, apierror.InvalidParameter("ends_within", expectedTime)
	}
	if in.Subject != "" && !permissions.ValidSubject(in.Subject) {
		return nil, apierror.InvalidParameter("subject", "a NATS subject, such as shop.orders")
	}
	return f, nil
}

// parseNetwork parses an address or a network; empty: every network.
func parseNetwork(text string) (p netip.Prefix, ok bool) {
	if text == "" {
		return netip.Prefix{}, true
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), addr.Zone() == ""
	}
	p, err := netip.ParsePrefix(text)
	if p.Addr().Is4In6() { // addresses of clients are never written so
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	return p.Masked(), err == nil && p.IsValid()
}

// mappedBits is how many bits precede the IPv4 address in an IPv6 address.
const mappedBits = 96

const expectedTime = "a time (RFC 3339) or a duration, such as 1h; a day is 24h"

// parseMoment parses a time, or a duration that from turns into one; empty: no limit.
func parseMoment(text string, from func(time.Duration) time.Time) (at time.Time, ok bool) {
	if text == "" {
		return time.Time{}, true
	}
	if d, err := time.ParseDuration(text); err == nil {
		return from(d), d > 0
	}
	at, err := time.Parse(time.RFC3339, text)
	return at, err == nil
}
