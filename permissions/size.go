package permissions

import (
	"encoding/base64"
	"errors"
	"fmt"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
)

// ErrTooLarge: the grant does not fit into an answer. This is known before the grant is
// built.
var ErrTooLarge = errors.New("the grant does not fit into an answer")

// MaxAnswer is the maximum size of an answer in bytes, whatever max_payload is: the
// server accepts no larger JWT (jwt/v2, MaxTokenSize).
const MaxAnswer = 1 << 20

// Sizes of the parts of an answer that do not depend on the grant, in bytes. A test of
// issuer/encode.go checks them.
const (
	userClaims     = 520 // of a user JWT, without names and rules
	responseClaims = 470 // of the response that contains it
	jwtOverhead    = 48 + 1 + 86
	sealOverhead   = 44
	stringOverhead = len(`"",`) // of each string in a list
)

// SizeSlack is the most by which Size exceeds the real size, in bytes, unless rules of
// different projects cover each other. Size does not know which key signs, whether the
// answer is encrypted, and the connection types.
const SizeSlack = 1024

// Size returns an upper bound of the size of the answer that grants id with the
// directory facts f, in bytes (see SizeSlack). It does not iterate over ACLs, because the
// facts have their sums. The errors are those of Derive.
func (p *Policy) Size(id identity.Identity, f directory.Facts) (int, error) {
	if id.Method == identity.MethodHealthCheck || id.Method == identity.MethodService {
		return answerSize(userClaims + 1024), nil
	}
	entitlements, err := p.entitlements(id.Selection, &f)
	if err != nil {
		return 0, err
	}
	account, err := commonAccount(entitlements)
	if err != nil {
		return 0, err
	}
	scope, err := p.scope(entitlements)
	if err != nil {
		return 0, err
	}
	return sizeOf(entitlements, &f, &id, account, scope), nil
}

// checkSize returns ErrTooLarge if an answer cannot fit into limit bytes. For most users
// maxSize settles it with a few additions.
func checkSize(entitlements []entitlement, f *directory.Facts, id *identity.Identity, account, scope string, limit int) error {
	if scope == "" && maxSize(entitlements, id, account) <= limit {
		return nil
	}
	if size := sizeOf(entitlements, f, id, account, scope); size-SizeSlack > limit {
		return fmt.Errorf("%w: it would have up to %d bytes, and the server accepts %d", ErrTooLarge, size, limit)
	}
	return nil
}

// sizeOf returns the size of an answer. It is exact except for the claims around the
// rules, and for rules of different projects that cover each other.
func sizeOf(entitlements []entitlement, f *directory.Facts, id *identity.Identity, account, scope string) int {
	var texts directory.Lengths // of the strings in lists
	texts.Add("method:" + string(id.Method))
	texts.Add("key:" + id.KeyID)
	admin := false // its rules cover those of projects
	for i := range entitlements {
		admin = admin || entitlements[i].role == directory.ServiceRoleAdmin
		addTagLengths(&texts, &entitlements[i])
	}
	if scope == "" {
		for i := range entitlements {
			if x := &entitlements[i]; !admin || x.membership == nil {
				texts.AddAll(x.lengths(f))
			}
		}
		if f.Profile == "" {
			texts.Add(InboxPrefix(id.Name) + ".>")
		}
		for range Sides() {
			texts.Add(authSubject) // the denial of it, or of ">", which is shorter
		}
		for _, n := range id.Networks {
			texts.Add(n.String())
		}
	}
	var names directory.Lengths
	names.Add(JWTName(*id, scope))
	names.Add(account)
	return answerSize(userClaims + names.Bytes + texts.Bytes + stringOverhead*texts.Count)
}

// answerSize returns the size of an answer whose user JWT has claims of this size.
func answerSize(claims int) int {
	encode := base64.RawURLEncoding.EncodedLen
	user := jwtOverhead + encode(claims)
	return sealOverhead + jwtOverhead + encode(responseClaims+user)
}

func addTagLengths(l *directory.Lengths, x *entitlement) {
	if x.membership != nil {
		l.Add(tagProject + x.membership.Project.Name)
	}
	if x.profile != nil {
		l.Add(tagProfile + x.profile.Name)
	}
	for _, r := range x.roles() {
		l.Add(tagRole + r)
	}
}

// lengths returns the lengths of the rules of one entitlement. It does not build the
// rules of each resource.
func (x *entitlement) lengths(f *directory.Facts) directory.Lengths {
	var b builder
	switch m := x.membership; {
	case x.profile != nil:
		addProfile(&b, x.profile)
	case x.role == directory.ServiceRoleAdmin:
		addServiceAdmin(&b)
	case x.role == directory.ServiceRoleIngest:
		addIngest(&b, x.streaming)
	case m.Has(directory.RoleProjectAdmin): // its rules cover those of the other roles
		project := *m.Project
		project.Topics = nil // the project's own rule covers those inside it
		addProjectAdmin(&b, &project, f)
		l := b.lengths()
		l.AddAll(m.Outside)
		l.AddAll(m.Outside) // once for each side
		return l
	default:
		return memberLengths(m)
	}
	return b.lengths()
}

// memberLengths returns the lengths of the rules of a publisher or consumer.
func memberLengths(m *directory.Membership) directory.Lengths {
	var l directory.Lengths
	if m.Has(directory.RolePublisher) {
		l.AddAll(directory.Lengths{Count: len(m.Topics), Bytes: m.TopicBytes})
	}
	if m.Has(directory.RoleConsumer) && len(m.Subs) > 0 {
		short, long := consumerLengths(m.Project.Name, "s"), consumerLengths(m.Project.Name, "ss")
		perByte := long.Bytes - short.Bytes // of the name of a subscription
		l.AddAll(directory.Lengths{
			Count: len(m.Subs) * short.Count,
			Bytes: len(m.Subs)*(short.Bytes-perByte) + m.SubBytes*perByte,
		})
	}
	return l
}

func consumerLengths(project, sub string) directory.Lengths {
	var b builder
	addConsumer(&b, project, sub)
	return b.lengths()
}

func (b *builder) lengths() directory.Lengths {
	var l directory.Lengths
	for i := range b.rules {
		l.Add(b.rules[i].Subject)
	}
	return l
}

// Upper bounds: of the claims and profiles, of the rules of a project_admin, and of the
// rules of one subscription without names.
const (
	maxClaims = 4 << 10
	maxAdmin  = 16 << 10
	maxSub    = 4 * 64
	maxNames  = 4 // rules that contain the names of a subscription and its project
	maxEscape = 6 // JSON escape of a character
)

// maxSize returns a quick upper bound of sizeOf, without allocations.
func maxSize(entitlements []entitlement, id *identity.Identity, account string) int {
	n := maxClaims + maxEscape*(len(account)+len(id.Selection.Account)+len(id.KeyID)) + 2*(len(id.Name)+len(id.Selection.Project)) + 64*len(id.Networks)
	for i := range entitlements {
		m := entitlements[i].membership
		if profile := entitlements[i].profile; profile != nil {
			n += profile.maxLength()
		}
		if m == nil {
			continue
		}
		name := len(m.Project.Name)
		n += maxSub + name + m.TopicBytes + stringOverhead*len(m.Topics) + 2*(m.Outside.Bytes+stringOverhead*m.Outside.Count)
		n += len(m.Subs)*(maxSub+maxNames*name) + maxNames*m.SubBytes
		if m.Has(directory.RoleProjectAdmin) {
			n += maxAdmin
		}
	}
	return answerSize(n)
}

// LargestGrant returns the enabled user with the largest answer, in whichever account,
// and an upper bound of its size in bytes; "" and 0 if no user gets a grant. The answer
// to a client that selects one project is smaller.
func (p *Policy) LargestGrant(s *snapshot.Snapshot) (user string, bytes int) {
	for u := range s.Users() {
		if u.Disabled {
			continue
		}
		f, _ := s.Facts(u.Name, "")
		if n := p.largestOf(&f, bytes); n > bytes || n == bytes && n > 0 && u.Name < user {
			user, bytes = u.Name, n
		}
	}
	return user, bytes
}

// largestOf returns the size of the largest answer to a user; 0: it is smaller than
// atLeast, or there is none.
func (p *Policy) largestOf(f *directory.Facts, atLeast int) (largest int) {
	id := largestIdentity(f.User)
	all, err := p.entitlements(identity.Selection{}, f)
	if err != nil {
		return 0
	}
	for _, account := range accounts(all) {
		in := entitlementsIn(all, account)
		scope, err := p.scope(in)
		if account == "" || err != nil || maxSize(in, &id, account) < atLeast {
			continue
		}
		largest = max(largest, sizeOf(in, f, &id, account, scope))
	}
	return largest
}

// largestIdentity returns the identity of a user that makes the largest answer: with
// the longest method and key id, and the most networks of its keys.
func largestIdentity(u *directory.User) identity.Identity {
	id := identity.Identity{Name: u.Name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey}
	for i := range u.Keys {
		k := &u.Keys[i]
		if k.Kind() == directory.KeyPassword {
			id.Method = identity.MethodPassword // the longest method
		}
		if len(k.Networks) >= len(id.Networks) {
			id.Networks = k.Networks
		}
		if len(k.ID) > len(id.KeyID) {
			id.KeyID = k.ID
		}
	}
	return id
}

func entitlementsIn(entitlements []entitlement, account string) []entitlement {
	var in []entitlement
	for _, x := range entitlements {
		if x.account == account {
			in = append(in, x)
		}
	}
	return in
}
