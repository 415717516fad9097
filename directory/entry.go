package directory

import (
	"errors"
	"strings"

	"github.com/google/uuid"
)

// Kind is what an entry is about.
type Kind string

// The kinds of entries.
const (
	KindUser            Kind = "user"
	KindKey             Kind = "key"
	KindProject         Kind = "project"
	KindMember          Kind = "member"
	KindTopic           Kind = "topic"
	KindSubscription    Kind = "subscription"
	KindTopicACL        Kind = "topic_acl"
	KindSubscriptionACL Kind = "subscription_acl"
)

// named reports whether the key of such an entry has a name in it.
func (k Kind) named() bool { return k != KindUser && k != KindProject && k != KindMember }

// acl returns the kind of the ACL of a topic or a subscription.
func (k Kind) acl() Kind {
	if k == KindTopic {
		return KindTopicACL
	}
	return KindSubscriptionACL
}

// resource returns the kind of what an ACL is about.
func (k Kind) resource() Kind {
	if k == KindTopicACL {
		return KindTopic
	}
	return KindSubscription
}

// EntryKey names one entry of a directory that is kept entry by entry. Users and
// projects go by their ids, so that a new name changes one entry.
type EntryKey struct {
	Kind    Kind
	Project uuid.UUID // of all kinds but user and key
	User    uuid.UUID // of user, key and member
	Name    string    // id of a key; name of a topic or subscription
}

// UserKey names the entry of a user.
func UserKey(id uuid.UUID) EntryKey { return EntryKey{Kind: KindUser, User: id} }

// KeyKey names the entry of one API key of a user.
func KeyKey(user uuid.UUID, id string) EntryKey { return EntryKey{Kind: KindKey, User: user, Name: id} }

// ProjectKey names the entry of a project.
func ProjectKey(id uuid.UUID) EntryKey { return EntryKey{Kind: KindProject, Project: id} }

// MemberKey names the entry of a membership.
func MemberKey(project, user uuid.UUID) EntryKey {
	return EntryKey{Kind: KindMember, Project: project, User: user}
}

// ResourceKey names the entry of a topic or a subscription, or of the ACL of one.
func ResourceKey(kind Kind, project uuid.UUID, name string) EntryKey {
	return EntryKey{Kind: kind, Project: project, Name: name}
}

// String returns the key as stores spell it: the kind, and what tells it from
// others of its kind, separated by dots: "member.<project id>.<user id>".
func (k EntryKey) String() string {
	switch k.Kind {
	case KindUser:
		return string(k.Kind) + "." + k.User.String()
	case KindKey:
		return string(k.Kind) + "." + k.User.String() + "." + k.Name
	case KindProject:
		return string(k.Kind) + "." + k.Project.String()
	case KindMember:
		return string(k.Kind) + "." + k.Project.String() + "." + k.User.String()
	case KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
	}
	return string(k.Kind) + "." + k.Project.String() + "." + k.Name
}

// ofUser reports whether the entry is a user's and no project's.
func (k EntryKey) ofUser() bool { return k.Kind == KindUser || k.Kind == KindKey }

// ErrEntryKey: a text that is no entry's key.
var ErrEntryKey = errors.New("not the key of an entry")

// ParseEntryKey reads what String has written.
func ParseEntryKey(text string) (EntryKey, error) {
	kind, rest, _ := strings.Cut(text, ".")
	first, second, two := strings.Cut(rest, ".")
	k := EntryKey{Kind: Kind(kind)}
	id, err := uuid.Parse(first)
	if err != nil || id == uuid.Nil || id.String() != first {
		return EntryKey{}, ErrEntryKey
	}
	if k.ofUser() {
		k.User = id
	} else {
		k.Project = id
	}
	switch k.Kind {
	case KindUser, KindProject:
		if two {
			return EntryKey{}, ErrEntryKey
		}
	case KindMember:
		if k.User, err = uuid.Parse(second); err != nil || k.User == uuid.Nil || k.User.String() != second {
			return EntryKey{}, ErrEntryKey
		}
	case KindKey, KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
		if CheckName(second) != nil {
			return EntryKey{}, ErrEntryKey
		}
		k.Name = second
	default:
		return EntryKey{}, ErrEntryKey
	}
	return k, nil
}

// Value is what an entry says: a *User, *Key, *Project, *Member, *Topic,
// *Subscription or *ACL; or *Unreadable. What its key says, and what other entries say, is not
// read from it.
type Value interface{ isValue() }

func (*User) isValue()         {}
func (*Key) isValue()          {}
func (*Project) isValue()      {}
func (*Member) isValue()       {}
func (*Topic) isValue()        {}
func (*Subscription) isValue() {}
func (*ACL) isValue()          {}

// ACL names the users that a topic or a subscription is open to.
type ACL struct {
	Users []uuid.UUID `json:"users"`
}

// NewValue returns an empty value for an entry of kind k; nil: there is no such kind.
func NewValue(k Kind) Value {
	switch k {
	case KindUser:
		return &User{}
	case KindKey:
		return &Key{}
	case KindProject:
		return &Project{}
	case KindMember:
		return &Member{}
	case KindTopic:
		return &Topic{}
	case KindSubscription:
		return &Subscription{}
	case KindTopicACL, KindSubscriptionACL:
		return &ACL{}
	default:
		return nil
	}
}

// Entry is one thing of a directory, at one revision. A Value of nil says that it
// was removed.
type Entry struct {
	Key      EntryKey
	Revision uint64
	Value    Value
}
