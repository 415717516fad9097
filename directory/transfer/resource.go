package transfer

import (
	"slices"
	"time"

	"usher/directory"
)

// resource is what topics and subscriptions have in common.
type resource struct {
	name          string
	kind, aclKind directory.Kind
	created       *time.Time
	acl           *[]string
	hasACL        bool // there is an entry for its ACL
	value         directory.Value
}

func topicResource(t *directory.Topic) resource {
	return resource{
		name: t.Name, kind: directory.KindTopic, aclKind: directory.KindTopicACL, created: &t.Created,
		acl: &t.ACL, hasACL: t.ACLRevision != 0 || len(t.ACL) > 0, value: t,
	}
}

func subscriptionResource(s *directory.Subscription) resource {
	return resource{
		name: s.Name, kind: directory.KindSubscription, aclKind: directory.KindSubscriptionACL, created: &s.Created,
		acl: &s.ACL, hasACL: s.ACLRevision != 0 || len(s.ACL) > 0, value: s,
	}
}

// The functions below report whether an entry has changed. Fields that other entries
// hold, and the order of sets, do not matter.

func sameUser(x, y *directory.User) bool {
	return x.Name == y.Name && x.Disabled == y.Disabled && sameSet(x.ServiceRoles, y.ServiceRoles) &&
		sameSet(x.Limits.ConnectionTypes, y.Limits.ConnectionTypes) && sameProfile(x.Profile, y.Profile) && sameMade(x.Made, y.Made)
}

func sameProfile(x, y *directory.Profile) bool {
	var none directory.Profile
	if x == nil {
		x = &none
	}
	if y == nil {
		y = &none
	}
	return *x == *y
}

func sameMade(x, y directory.Made) bool {
	return x.Created.Equal(y.Created) && x.Modified.Equal(y.Modified) && x.By == y.By
}

func sameKey(x, y *directory.Key) bool {
	return x.Digest == y.Digest && x.Disabled == y.Disabled && x.NotBefore.Equal(y.NotBefore) && x.Expires.Equal(y.Expires) &&
		slices.Equal(x.Networks, y.Networks) && x.Created.Equal(y.Created) && sameOther(x.Other, y.Other)
}

func sameOther(x, y *directory.OtherKey) bool { return x == y || x != nil && y != nil && *x == *y }

func sameProject(x, y *directory.Project) bool {
	return x.Name == y.Name && x.Account == y.Account && x.Description == y.Description && sameMade(x.Made, y.Made)
}

func sameTopic(x, y *directory.Topic) bool {
	return x.Subject == y.Subject && x.Created.Equal(y.Created)
}

func sameSubscription(x, y *directory.Subscription) bool {
	return x.Topic == y.Topic && x.AckDeadline == y.AckDeadline && x.Push.Same(y.Push) && x.Created.Equal(y.Created)
}

// sameSet compares lists without duplicates.
func sameSet[T comparable](x, y []T) bool {
	if len(x) != len(y) {
		return false
	}
	if len(x) > 16 {
		in := make(map[T]bool, len(x))
		for _, v := range x {
			in[v] = true
		}
		return !slices.ContainsFunc(y, func(v T) bool { return !in[v] })
	}
	return !slices.ContainsFunc(x, func(v T) bool { return !slices.Contains(y, v) })
}
