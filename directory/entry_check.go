package directory

import (
	"fmt"
	"slices"

	"usher/internal/secret"
)

// emptyDigest is that of no key at all.
var emptyDigest = DigestOf("")

// Check reports what is wrong with an entry by itself: a value of another kind
// than its key says, or one that could stand in no directory. A store that others
// can write to checks what it reads, for names reach subjects.
func (e *Entry) Check() error {
	if e.Value == nil {
		return nil
	}
	if !e.Key.Kind.takes(e.Value) {
		return fmt.Errorf("found a %T, which is not of kind %q", e.Value, e.Key.Kind)
	}
	switch v := e.Value.(type) {
	case *User:
		return v.check()
	case *Key:
		if v.Digest == (Digest{}) || v.Digest == emptyDigest {
			return fmt.Errorf("the digest is that of no key")
		}
		return nil
	case *Project:
		return v.check()
	case *Member:
		if len(v.Roles) == 0 {
			return fmt.Errorf("a member needs a role")
		}
		return known("role", v.Roles, Roles())
	case *Topic:
		if v.Subject == "" {
			return nil
		}
		return about("subject", CheckSubject(v.Subject))
	case *Subscription:
		return about("topic name", CheckName(v.Topic))
	default:
		return nil
	}
}

// takes reports whether v is a value of kind k.
func (k Kind) takes(v Value) (ok bool) {
	switch k {
	case KindUser:
		_, ok = v.(*User)
	case KindKey:
		_, ok = v.(*Key)
	case KindProject:
		_, ok = v.(*Project)
	case KindMember:
		_, ok = v.(*Member)
	case KindTopic:
		_, ok = v.(*Topic)
	case KindSubscription:
		_, ok = v.(*Subscription)
	case KindTopicACL, KindSubscriptionACL:
		_, ok = v.(*ACL)
	}
	return ok
}

func (u *User) check() error {
	if err := CheckName(u.Name); err != nil {
		return about("user name", err)
	}
	if use, ok := reservedUsers()[u.Name]; ok {
		return fmt.Errorf("%s is reserved: %s", secret.Name(u.Name), use)
	}
	if err := known("service role", u.ServiceRoles, ServiceRoles()); err != nil {
		return err
	}
	return known("connection type", u.Limits.ConnectionTypes, ConnectionTypes())
}

func (p *Project) check() error {
	if err := CheckName(p.Name); err != nil {
		return about("project name", err)
	}
	if use, ok := projectUse(p.Name); ok {
		return fmt.Errorf("%s is reserved: %s", secret.Name(p.Name), use)
	}
	return about("account", CheckAccount(p.Account))
}

func about(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", what, err)
}

func known[T ~string](kind string, values, known []T) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return fmt.Errorf("there is no %s %s", kind, secret.Name(string(v)))
		}
	}
	return nil
}
