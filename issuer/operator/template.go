package operator

import (
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// OpenSides returns the sides, "publish" and "subscribe", that these permissions do not
// restrict. defaults are the default permissions of the account, which apply if p is
// empty.
func OpenSides(p, defaults *jwt.Permissions) []string {
	if empty(&p.Pub) && empty(&p.Sub) && p.Resp == nil {
		p = defaults
	}
	var open []string
	if !restricted(&p.Pub) && p.Resp == nil { // response permissions alone restrict publishing
		open = append(open, "publish")
	}
	if !restricted(&p.Sub) {
		open = append(open, "subscribe")
	}
	return open
}

func empty(p *jwt.Permission) bool { return len(p.Allow) == 0 && len(p.Deny) == 0 }

func restricted(p *jwt.Permission) bool { return len(p.Allow) > 0 || p.Deny.Contains(">") }

// MatchingAllows returns the allow rules, such as "publish >", that match a subject, on sides
// with no deny rule that matches it. overlaps reports whether two subjects can match the
// same subject. A template function counts as one token. A final "*" of a subscribe rule
// counts as ">", as in nats-server.
func MatchingAllows(p *jwt.Permissions, subject string, overlaps func(a, b string) bool) []string {
	var reach []string
	for _, side := range []struct {
		name string
		p    *jwt.Permission
	}{{"publish", &p.Pub}, {"subscribe", &p.Sub}} {
		matches := func(rule string) bool {
			bare, _, _ := strings.Cut(blank(rule), " ") // without the queue group
			head, star := strings.CutSuffix(bare, "*")
			return overlaps(bare, subject) || star && side.p == &p.Sub && overlaps(head+">", subject)
		}
		denied := slices.ContainsFunc(side.p.Deny, func(rule string) bool {
			bare, _, _ := strings.Cut(blank(rule), " ")
			return overlaps(bare, subject)
		})
		if i := slices.IndexFunc(side.p.Allow, matches); i >= 0 && !denied {
			reach = append(reach, side.name+" "+side.p.Allow[i])
		}
	}
	return reach
}

// blank replaces every "{{…}}" with a placeholder token.
func blank(s string) string {
	for {
		head, rest, found := strings.Cut(s, "{{")
		_, tail, closed := strings.Cut(rest, "}}")
		if !found || !closed {
			return s
		}
		s = head + "x" + tail
	}
}
