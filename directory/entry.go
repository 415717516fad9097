package directory

import (
	"errors"
	"strings"

	"github.com/google/uuid"

	"usher/internal/secret"
)

// MaxChange is the largest number of entries that a store changes at once.
const MaxChange = 1000

// Kind is the kind of an entry.
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
	KindBan             Kind = "ban"
)

// HasName reports whether the keys of such entries contain a name.
func (k Kind) HasName() bool { return k != KindUser && k != KindProject && k != KindMember }

// ACLKind returns the kind of the ACL of a topic or a subscription.
func (k Kind) ACLKind() Kind {
	if k == KindTopic {
		return KindTopicACL
	}
	return KindSubscriptionACL
}

// ResourceKind returns the kind of the topic or subscription to which an ACL belongs.
func (k Kind) ResourceKind() Kind {
	if k == KindTopicACL {
		return KindTopic
	}
	return KindSubscription
}

// EntryKey identifies one entry of a directory that is stored entry by entry. It has
// the ids of users and projects instead of their names, so that renaming one changes
// a single entry.
type EntryKey struct {
	Kind    Kind
	Project uuid.UUID // set for all kinds except user, key and ban
	User    uuid.UUID // set for user, key and member
	Name    string    // id of a key or a ban; name of a topic or subscription
}

// UserKey returns the key of a user's entry.
func UserKey(id uuid.UUID) EntryKey { return EntryKey{Kind: KindUser, User: id} }

// KeyKey returns the key of the entry of one API key.
func KeyKey(user uuid.UUID, id string) EntryKey { return EntryKey{Kind: KindKey, User: user, Name: id} }

// ProjectKey returns the key of a project's entry.
func ProjectKey(id uuid.UUID) EntryKey { return EntryKey{Kind: KindProject, Project: id} }

// MemberKey returns the key of the entry of a membership.
func MemberKey(project, user uuid.UUID) EntryKey {
	return EntryKey{Kind: KindMember, Project: project, User: user}
}

// ResourceKey returns the key of the entry of a topic or a subscription, or of the
// ACL of one.
func ResourceKey(kind Kind, project uuid.UUID, name string) EntryKey {
	return EntryKey{Kind: kind, Project: project, Name: name}
}

// BanKey returns the key of the entry of a ban.
func BanKey(id string) EntryKey { return EntryKey{Kind: KindBan, Name: id} }

// String returns the key as stores write it: the kind, the ids and the name,
// separated by dots: "member.<project id>.<user id>".
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
	case KindBan:
		return string(k.Kind) + "." + k.Name
	case KindTopic, KindSubscription, KindTopicACL, KindSubscriptionACL:
	}
	return string(k.Kind) + "." + k.Project.String() + "." + k.Name
}

// OfUser reports whether the entry belongs to a user and to no project.
func (k EntryKey) OfUser() bool { return k.Kind == KindUser || k.Kind == KindKey }

// OfProject reports whether the entry belongs to a project.
func (k EntryKey) OfProject() bool { return !k.OfUser() && k.Kind != KindBan }

// Path returns the key for messages. It is String with a name that is not valid
// hidden: that may be a secret.
func (k EntryKey) Path() string {
	if k.Name != "" && CheckName(k.Name) != nil {
		k.Name = secret.Hidden
	}
	return k.String()
}

// ErrEntryKey: a text that is not the key of an entry.
var ErrEntryKey = errors.New("not the key of an entry")

// ParseEntryKey parses a key in the form of String.
func ParseEntryKey(text string) (EntryKey, error) {
	kind, rest, _ := strings.Cut(text, ".")
	if Kind(kind) == KindBan {
		if CheckName(rest) != nil {
			return EntryKey{}, ErrEntryKey
		}
		return BanKey(rest), nil
	}
	first, second, hasSecond := strings.Cut(rest, ".")
	k := EntryKey{Kind: Kind(kind)}
	id, err := uuid.Parse(first)
	if err != nil || id == uuid.Nil || id.String() != first {
		return EntryKey{}, ErrEntryKey
	}
	if k.OfUser() {
		k.User = id
	} else {
		k.Project = id
	}
	switch k.Kind {
	case KindUser, KindProject:
		if hasSecond {
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
	case KindBan: // parsed above
	default:
		return EntryKey{}, ErrEntryKey
	}
	return k, nil
}

// Value is the content of an entry: a *User, *Key, *Project, *Member, *Topic,
// *Subscription, *ACL or *Ban; or *Unreadable. Fields that the entry's key or other entries
// hold are ignored in it.
type Value interface{ isValue() }

func (*User) isValue()         {}
func (*Key) isValue()          {}
func (*Project) isValue()      {}
func (*Member) isValue()       {}
func (*Topic) isValue()        {}
func (*Subscription) isValue() {}
func (*ACL) isValue()          {}
func (*Ban) isValue()          {}
func (*Unreadable) isValue()   {}

// ACL lists the users who may use a topic or a subscription.
type ACL struct {
	Users []uuid.UUID `json:"users"`
}

// Unreadable is the value of an entry whose content is not known: it is damaged, or
// a newer usher has written it. Code that handles entries treats it like any other
// value. It grants nothing, and a request that it could decide stays undecided.
type Unreadable struct{}

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
	case KindBan:
		return &Ban{}
	default:
		return nil
	}
}

// Entry is one stored record of a directory, at one revision. A nil Value says that
// the record was removed.
type Entry struct {
	Key      EntryKey
	Revision uint64
	Value    Value
}

// Put returns the change that sets one entry.
func Put(k EntryKey, v Value) []Entry { return []Entry{{Key: k, Value: v}} }

// Remove returns the change that removes one entry to which no other refers.
func Remove(k EntryKey) []Entry { return []Entry{{Key: k}} }
