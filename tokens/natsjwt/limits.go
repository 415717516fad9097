package natsjwt

import (
	"net/netip"
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
)

// networks returns the networks from which a user JWT may be used, and whether a is in
// one of them.
func networks(l *jwt.UserPermissionLimits, a netip.Addr) ([]netip.Prefix, bool) {
	if len(l.Src) == 0 {
		return nil, true
	}
	list := make([]netip.Prefix, 0, len(l.Src))
	for _, text := range l.Src {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, false
		}
		list = append(list, n.Masked())
	}
	return list, slices.ContainsFunc(list, func(n netip.Prefix) bool { return n.Contains(a) })
}

// allowed reports whether a connection may use the user JWT. types are those that it may
// be, because a request does not tell all apart; nats-server does. A proxy cannot be seen
// in a request.
func allowed(l *jwt.UserPermissionLimits, types []string) bool {
	if l.ProxyRequired {
		return false
	}
	return len(l.AllowedConnectionTypes) == 0 ||
		slices.ContainsFunc(types, func(t string) bool { return containsFold(l.AllowedConnectionTypes, t) })
}

// timeOfDay is the layout of the times of a user JWT.
const timeOfDay = "15:04:05"

// withinTimes reports whether now is in one of the ranges of the day in which a user JWT
// may be used, and when the latest of these ends; zero: there are no ranges.
func withinTimes(l *jwt.UserPermissionLimits, now time.Time) (end time.Time, ok bool) {
	if len(l.Times) == 0 {
		return time.Time{}, true
	}
	loc := time.Local
	if l.Locale != "" {
		var err error
		if loc, err = time.LoadLocation(l.Locale); err != nil {
			return time.Time{}, false
		}
	}
	now = now.In(loc)
	for _, r := range l.Times {
		from, err := on(now, r.Start)
		if err != nil {
			return time.Time{}, false
		}
		to, err := on(now, r.End)
		if err != nil {
			return time.Time{}, false
		}
		if from.After(to) { // over midnight: from yesterday, or to tomorrow
			if now.Before(to) {
				from = from.AddDate(0, 0, -1)
			} else {
				to = to.AddDate(0, 0, 1)
			}
		}
		if from.Before(now) && now.Before(to) && (!ok || to.After(end)) {
			end, ok = to, true
		}
	}
	return end, ok
}

// on returns a time of the day of now.
func on(now time.Time, text string) (time.Time, error) {
	t, err := time.Parse(timeOfDay, text)
	if err != nil {
		return time.Time{}, err
	}
	y, m, d := now.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
}
