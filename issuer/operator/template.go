package operator

import (
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
)

// Open returns the sides, "publish" and "subscribe", on which these permissions say
// nothing, so that everything is allowed. otherwise are the default permissions of
// the account, which count where p says nothing at all.
func Open(p, otherwise *jwt.Permissions) []string {
	if silent(&p.Pub) && silent(&p.Sub) && p.Resp == nil {
		p = otherwise
	}
	var open []string
	if !stated(&p.Pub) && p.Resp == nil { // responses alone close the side
		open = append(open, "publish")
	}
	if !stated(&p.Sub) {
		open = append(open, "subscribe")
	}
	return open
}

func silent(p *jwt.Permission) bool { return len(p.Allow) == 0 && len(p.Deny) == 0 }

func stated(p *jwt.Permission) bool { return len(p.Allow) > 0 || p.Deny.Contains(">") }

// Reach returns the allowances, "publish >" and the like, that admit a subject
// which is not denied on that side. overlaps says whether two subjects have
// something in common. What a template fills in stands for one token; and a "*" at
// the end of what may be subscribed to for ">", as nats-server takes it.
func Reach(p *jwt.Permissions, subject string, overlaps func(a, b string) bool) []string {
	var reach []string
	for _, side := range []struct {
		name string
		p    *jwt.Permission
	}{{"publish", &p.Pub}, {"subscribe", &p.Sub}} {
		admits := func(rule string) bool {
			bare, _, _ := strings.Cut(blank(rule), " ") // without the queue group
			head, star := strings.CutSuffix(bare, "*")
			return overlaps(bare, subject) || star && side.p == &p.Sub && overlaps(head+">", subject)
		}
		denied := slices.ContainsFunc(side.p.Deny, func(rule string) bool {
			bare, _, _ := strings.Cut(blank(rule), " ")
			return overlaps(bare, subject)
		})
		if i := slices.IndexFunc(side.p.Allow, admits); i >= 0 && !denied {
			reach = append(reach, side.name+" "+side.p.Allow[i])
		}
	}
	return reach
}

// blank puts a token that is nobody's in place of every "{{…}}".
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
