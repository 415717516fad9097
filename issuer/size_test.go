package issuer_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
	"usher/issuer"
	"usher/permissions"
)

const sealOverhead = 44 // bytes that sealing adds

// Policy.Size predicts the size of the response, or slightly more: in both modes, for
// every role, with subjects of any length.
func TestSizePrediction(t *testing.T) {
	t.Parallel()
	o := newOperatorKeys(t)
	modes := map[string]*issuer.Signers{"config mode": issuer.SingleIssuer(signer(t)), "operator mode": o.signers(t)}
	policy := &permissions.Policy{CalloutAccount: "AUTH", SystemAccount: "SYS", AdminAccount: "APP", IngestAccount: "APP"}
	i := newIssuer(func(c *issuer.Config) { c.Policy, c.MaxLifetime = policy, time.Hour })
	to := recipient(t)
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := randomRecords(random)
		s, err := snapshot.New(r)
		must(t, err)
		largest := 0
		for u := range s.Users() {
			f, _ := s.Facts(u.Name, "")
			id := identity.Identity{Name: u.Name, Method: identity.MethodAPIKey, KeyID: u.Keys[0].ID, NotAfter: noon.Add(time.Hour), Networks: u.Keys[0].Networks}
			size, sizeErr := policy.Size(id, f)
			g, err := policy.Derive(id, f)
			if (err == nil) != (sizeErr == nil) {
				t.Fatalf("seed %d: %s: Derive returned %v, Size returned %v", seed, u.Name, err, sizeErr)
			}
			if err != nil {
				continue
			}
			if policy.Connect(&g, id.Name, identity.Connection{Types: []string{"STANDARD"}}) != nil {
				continue // no connection type of this user is enforced
			}
			for mode, signers := range modes {
				response, _, err := i.Issue(t.Context(), signers, to, id, &g)
				must(t, err)
				if got := len(response) + sealOverhead; got > size || size-got > permissions.SizeSlack {
					t.Errorf("seed %d, %s: %s: predicted %d bytes, got %d, with %d rules", seed, mode, u.Name, size, got, len(g.Rules))
				}
			}
			if _, err := policy.DeriveWithin(id, f, size); err != nil {
				t.Errorf("seed %d: %s does not fit into its predicted size: %v", seed, u.Name, err)
			}
			if _, err := policy.DeriveWithin(id, f, size-permissions.SizeSlack-1); !errors.Is(err, permissions.ErrTooLarge) {
				t.Errorf("seed %d: %s fits into less than its predicted size: %v", seed, u.Name, err)
			}
			largest = max(largest, size)
		}
		user, bytes := policy.LargestGrant(s)
		if u, ok := s.User(user); !ok || u.Disabled || bytes < largest || bytes-largest > 1<<10 {
			t.Errorf("seed %d: LargestGrant returned %s with %d bytes, the largest has %d", seed, user, bytes, largest)
		}
	}
}

// The limit is that of jwt/v2, with which servers decode JWTs.
func TestMaxAnswer(t *testing.T) {
	if permissions.MaxAnswer != jwt.MaxTokenSize {
		t.Errorf("MaxAnswer is %d, servers accept %d", permissions.MaxAnswer, jwt.MaxTokenSize)
	}
}

// randomRecords returns a directory in one account, whose users have random roles and
// ACL entries.
func randomRecords(random *rand.Rand) directory.Records {
	var r directory.Records
	name := func(kind string, i int) string {
		return fmt.Sprint(kind, i, "-", strings.Repeat("x", random.IntN(90)))
	}
	for n := range 4 {
		u := directory.User{Name: name("user", n)}
		k := directory.Key{Digest: directory.DigestOf(u.Name)}
		for range random.IntN(3) {
			k.Networks = append(k.Networks, netip.MustParsePrefix("2001:db8:1234:5678::/64"))
		}
		u.Keys = []directory.Key{k}
		if random.IntN(2) == 0 {
			u.Limits.ConnectionTypes = directory.ConnectionTypes()
		}
		if random.IntN(6) == 0 {
			u.ServiceRoles = []directory.ServiceRole{directory.ServiceRoleIngest}
		}
		if random.IntN(8) == 0 {
			u.ServiceRoles = append(u.ServiceRoles, directory.ServiceRoleAdmin)
		}
		r.Users = append(r.Users, u)
	}
	projects := 1 + random.IntN(3)
	for n := range projects {
		p := directory.Project{Name: name("project", n), Account: "APP"}
		var members []string
		for _, u := range r.Users {
			var roles []directory.Role
			for _, role := range directory.Roles() {
				if random.IntN(2) == 0 && (role != directory.RoleProjectAdmin || random.IntN(3) == 0) {
					roles = append(roles, role)
				}
			}
			if len(roles) > 0 {
				p.Members = append(p.Members, directory.Member{User: u.Name, Roles: roles})
				members = append(members, u.Name)
			}
		}
		someMembers := func() []string {
			return slices.DeleteFunc(slices.Clone(members), func(string) bool { return random.IntN(3) == 0 })
		}
		for i := range 1 + random.IntN(40) {
			topic := directory.Topic{Name: name("topic", i), ACL: someMembers()}
			if projects == 1 && random.IntN(3) == 0 {
				topic.Subject = fmt.Sprintf(`far."away"\%d.%s`, i, strings.Repeat("&<", 1+random.IntN(100)))
			}
			p.Topics = append(p.Topics, topic)
		}
		for i := range random.IntN(40) {
			p.Subscriptions = append(p.Subscriptions, directory.Subscription{Name: name("sub", i), Topic: p.Topics[0].Name, ACL: someMembers()})
		}
		r.Projects = append(r.Projects, p)
	}
	return r
}
