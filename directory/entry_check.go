package directory

import (
	"fmt"
	"slices"

	"usher/internal/secret"
)

// emptyDigest is the digest of the empty string.
var emptyDigest = DigestOf("")

// Check reports what is wrong with an entry regardless of all other entries: its value
// has another kind than its key, or is not valid in any directory. A store that other
// programs can write to checks each entry it reads, because names become part of
// subjects.
func (e *Entry) Check() error {
	if e.Value == nil {
		return nil
	}
	if !e.Key.Kind.accepts(e.Value) {
		return fmt.Errorf("found a %T, which is not of kind %q", e.Value, e.Key.Kind)
	}
	switch v := e.Value.(type) {
	case *User:
		return v.check()
	case *Key:
		if problems := v.Check(e.Key.User); len(problems) > 0 {
			return problems[0]
		}
		return nil
	case *Project:
		return v.check()
	case *Member:
		if len(v.Roles) == 0 {
			return fmt.Errorf("a member needs a role")
		}
		return allKnown("role", v.Roles, Roles())
	case *Topic:
		if v.Subject == "" {
			return nil
		}
		return prefixed("subject", CheckSubject(v.Subject))
	case *Subscription:
		if err := CheckName(v.Topic); err != nil {
			return prefixed("topic name", err)
		}
		return prefixed("push", v.Push.Check())
	case *Ban:
		if problems := v.Check(); len(problems) > 0 {
			return problems[0]
		}
		return nil
	default:
		return nil
	}
}

// accepts reports whether v is a value for entries of kind k.
func (k Kind) accepts(v Value) (ok bool) {
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
	case KindBan:
		_, ok = v.(*Ban)
	}
	return ok
}

// CheckKey reports what is wrong with the entry's key. A store whose keys are parsed
// need not call it.
func (e *Entry) CheckKey() error {
	if e.Key.Kind.HasName() {
		if err := CheckName(e.Key.Name); err != nil {
			return prefixed(string(e.Key.Kind)+" name", err)
		}
	}
	_, err := ParseEntryKey(e.Key.String())
	return err
}

func (u *User) check() error {
	if err := CheckName(u.Name); err != nil {
		return prefixed("user name", err)
	}
	if use, ok := ReservedUser(u.Name); ok {
		return fmt.Errorf("%s is reserved: %s", secret.Name(u.Name), use)
	}
	if err := allKnown("service role", u.ServiceRoles, ServiceRoles()); err != nil {
		return err
	}
	return allKnown("connection type", u.Limits.ConnectionTypes, ConnectionTypes())
}

func (p *Project) check() error {
	if err := CheckName(p.Name); err != nil {
		return prefixed("project name", err)
	}
	if use, ok := ReservedProject(p.Name); ok {
		return fmt.Errorf("%s is reserved: %s", secret.Name(p.Name), use)
	}
	return prefixed("account", CheckAccount(p.Account))
}

func prefixed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", what, err)
}

func allKnown[T ~string](kind string, values, known []T) error {
	for _, v := range values {
		if !slices.Contains(known, v) {
			return fmt.Errorf("there is no %s %s", kind, secret.Name(string(v)))
		}
	}
	return nil
}
