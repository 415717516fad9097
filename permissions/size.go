package permissions

import (
	"encoding/base64"
	"errors"
	"fmt"

	"usher/directory"
	"usher/directory/snapshot"
	"usher/identity"
)

// ErrTooLarge: what the user may do does not fit into an answer. The size is known
// before anything of the grant is made.
var ErrTooLarge = errors.New("the grant is too large to be answered")

// MaxAnswer is how many bytes an answer has at most, whatever max_payload is: the
// server reads no larger JWT (jwt/v2, MaxTokenSize).
const MaxAnswer = 1 << 20

// What stands in an answer beside that which a grant says (issuer/encode.go, whose
// test holds these).
const (
	userClaims     = 520 // of a user JWT, without names and rules
	responseClaims = 470 // of the response around it
	signedAround   = 48 + 1 + 86
	sealedAround   = 44
	between        = len(`"",`) // of two strings in a list
)

// SizeSlack is how much more than an answer has Size says at most, where no rules
// of different projects cover each other: it does not know whether a key of an
// account signs, whether the answer is sealed, and how the client may connect.
const SizeSlack = 1024

// Size returns how many bytes the sealed answer has that lets id in, of which the
// directory says f: at most, and not much less. It goes through no ACL: what is in
// them has been counted already. The error is one of Derive's.
func (p *Policy) Size(id identity.Identity, f directory.Facts) (int, error) {
	if id.Method == identity.MethodHealthCheck {
		return answerSize(userClaims + 1024), nil
	}
	parts, err := p.parts(id.Selection, &f)
	if err != nil {
		return 0, err
	}
	account, err := oneAccount(parts)
	if err != nil {
		return 0, err
	}
	scope, err := p.scope(parts)
	if err != nil {
		return 0, err
	}
	return sizeOf(parts, &f, &id, account, scope), nil
}

// fits reports ErrTooLarge for parts that cannot fit into limit bytes. Most are far
// from it, and cost a few additions.
func fits(parts []part, f *directory.Facts, id *identity.Identity, account, scope string, limit int) error {
	if scope == "" && roughSize(parts, id, account) <= limit {
		return nil
	}
	if size := sizeOf(parts, f, id, account, scope); size-SizeSlack > limit {
		return fmt.Errorf("%w: the answer would have %d bytes or somewhat less, the server takes %d", ErrTooLarge, size, limit)
	}
	return nil
}

// sizeOf returns the size of an answer. It is exact but for the claims around the
// rules, and for rules that cover each other across projects.
func sizeOf(parts []part, f *directory.Facts, id *identity.Identity, account, scope string) int {
	var texts directory.Lengths // in lists
	texts.Add("method:" + string(id.Method))
	texts.Add("key:" + id.KeyID)
	all := false // it may do everything, and what it may besides is covered
	for i := range parts {
		all = all || parts[i].role == directory.ServiceRoleAdmin
		tagLengths(&texts, &parts[i])
	}
	if scope == "" {
		for i := range parts {
			if x := &parts[i]; !all || x.membership == nil {
				texts.AddAll(x.lengths(f))
			}
		}
		texts.Add(InboxPrefix(id.Name) + ".>")
		for range Sides() {
			texts.Add(authSubject) // denied, or ">" is, which is shorter
		}
		for _, n := range id.Networks {
			texts.Add(n.String())
		}
	}
	var names directory.Lengths
	names.Add(JWTName(*id, scope))
	names.Add(account)
	return answerSize(userClaims + names.Bytes + texts.Bytes + between*texts.Count)
}

// answerSize returns the size of an answer around claims of so many bytes.
func answerSize(claims int) int {
	encode := base64.RawURLEncoding.EncodedLen
	user := signedAround + encode(claims)
	return sealedAround + signedAround + encode(responseClaims+user)
}

func tagLengths(l *directory.Lengths, x *part) {
	if x.membership != nil {
		l.Add("project:" + x.membership.Project.Name)
	}
	for _, r := range x.roles() {
		l.Add("role:" + r)
	}
}

// lengths returns what the rules of one part take. It makes those that one resource
// needs, and none for each resource.
func (x *part) lengths(f *directory.Facts) directory.Lengths {
	var b builder
	switch m := x.membership; {
	case x.role == directory.ServiceRoleAdmin:
		serviceAdmin(&b)
	case x.role == directory.ServiceRoleIngest:
		ingest(&b)
	case m.Has(directory.RoleProjectAdmin): // which covers what the other roles give
		project := *m.Project
		project.Topics = nil // its own name covers those inside
		administer(&b, &project, f)
		l := b.lengths()
		l.AddAll(m.Outside)
		l.AddAll(m.Outside) // on both sides
		return l
	default:
		return memberLengths(m)
	}
	return b.lengths()
}

// memberLengths returns what the ACLs of a project give a publisher or consumer.
func memberLengths(m *directory.Membership) directory.Lengths {
	var l directory.Lengths
	if m.Has(directory.RolePublisher) {
		l.AddAll(directory.Lengths{Count: len(m.Topics), Bytes: m.TopicBytes})
	}
	if m.Has(directory.RoleConsumer) && len(m.Subs) > 0 {
		one, two := consumeLengths(m.Project.Name, "s"), consumeLengths(m.Project.Name, "ss")
		each := two.Bytes - one.Bytes // bytes for each byte of a name
		l.AddAll(directory.Lengths{
			Count: len(m.Subs) * one.Count,
			Bytes: len(m.Subs)*(one.Bytes-each) + m.SubBytes*each,
		})
	}
	return l
}

func consumeLengths(project, sub string) directory.Lengths {
	var b builder
	consume(&b, project, sub)
	return b.lengths()
}

func (b *builder) lengths() directory.Lengths {
	var l directory.Lengths
	for i := range b.rules {
		l.Add(b.rules[i].Subject)
	}
	return l
}

// More than any part takes: of the claims and profiles, of a project_admin's rules,
// and of one subscription without the names in it.
const (
	roughClaims  = 4 << 10
	roughAdmin   = 16 << 10
	roughSub     = 4 * 64
	roughNames   = 4 // rules with the names of a subscription and its project
	roughEscapes = 6 // of a character
)

// roughSize is more than sizeOf, allocates nothing and makes no rule.
func roughSize(parts []part, id *identity.Identity, account string) int {
	n := roughClaims + roughEscapes*(len(account)+len(id.Selection.Account)) + 2*(len(id.Name)+len(id.Selection.Project)) + 64*len(id.Networks)
	for i := range parts {
		m := parts[i].membership
		if m == nil {
			continue
		}
		name := len(m.Project.Name)
		n += roughSub + name + m.TopicBytes + between*len(m.Topics) + 2*(m.Outside.Bytes+between*m.Outside.Count)
		n += len(m.Subs)*(roughSub+roughNames*name) + roughNames*m.SubBytes
		if m.Has(directory.RoleProjectAdmin) {
			n += roughAdmin
		}
	}
	return answerSize(n)
}

// LargestGrant returns the user of a directory whose answer has the most bytes, in
// the largest of its accounts, and how many these are at most; "" and 0 if nobody
// is granted anything. Disabled users are left out. What a client gets that asks for
// one project alone is smaller.
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

// largestOf returns the size of the largest answer that a user gets; 0: it is
// smaller than least, or there is none.
func (p *Policy) largestOf(f *directory.Facts, least int) (largest int) {
	id := widest(f.User)
	all, err := p.parts(identity.Selection{}, f)
	if err != nil {
		return 0
	}
	for _, account := range accounts(all) {
		in := inAccount(all, account)
		scope, err := p.scope(in)
		if account == "" || err != nil || roughSize(in, &id, account) < least {
			continue
		}
		largest = max(largest, sizeOf(in, f, &id, account, scope))
	}
	return largest
}

// widest is a user with what takes the most room of all its keys.
func widest(u *directory.User) identity.Identity {
	id := identity.Identity{Name: u.Name, Authority: identity.AuthorityDirectory, Method: identity.MethodAPIKey}
	for i := range u.Keys {
		k := &u.Keys[i]
		if len(k.Networks) >= len(id.Networks) {
			id.Networks = k.Networks
		}
		if len(k.ID) > len(id.KeyID) {
			id.KeyID = k.ID
		}
	}
	return id
}

func inAccount(parts []part, account string) []part {
	var in []part
	for _, x := range parts {
		if x.account == account {
			in = append(in, x)
		}
	}
	return in
}
