package api

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"usher/api/wire"
	"usher/directory"
	"usher/directory/snapshot"
)

// Names of the variables of paths.
const (
	varProject      = "project"
	varUser         = "user"
	varTopic        = "topic"
	varSubscription = "subscription"
	varKey          = "key"
	varUUID         = "uuid"
)

// What AMS calls things in its errors.
const (
	whatProject      = "project"
	whatUser         = "User"
	whatTopic        = "Topic"
	whatSubscription = "Subscription"
	whatKey          = "Key"
)

func shownTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// texts returns a list that is never null in JSON.
func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// nameOf returns the name of a user, or nothing if it has gone.
func nameOf(s *snapshot.Snapshot, id uuid.UUID) string {
	if u, ok := s.UserByID(id); ok && id != uuid.Nil {
		return u.Name
	}
	return ""
}

func shownUser(s *snapshot.Snapshot, u *directory.User) wire.User {
	out := shownAlone(u)
	out.ServiceRoles = texts(u.ServiceRoles)
	out.CreatedBy = nameOf(s, u.Made.By)
	if facts, ok := s.Facts(u.Name, ""); ok {
		for i := range facts.Memberships {
			out.Projects = append(out.Projects, shownMembership(&facts.Memberships[i]))
		}
	}
	return out
}

// shownMember is a user as those see it who administer one project.
func shownMember(u *directory.User, m *directory.Membership) wire.User {
	out := shownAlone(u)
	out.Projects = append(out.Projects, shownMembership(m))
	return out
}

// shownAlone is a user without what others have to do with it.
func shownAlone(u *directory.User) wire.User {
	out := wire.User{
		UUID: u.ID.String(), Name: u.Name, Projects: []wire.UserProject{},
		ServiceRoles: []string{}, Enabled: !u.Disabled,
		CreatedOn: shownTime(u.Made.Created), ModifiedOn: shownTime(u.Made.Modified),
	}
	if len(u.Limits.ConnectionTypes) > 0 {
		out.ConnectionTypes = texts(u.Limits.ConnectionTypes)
	}
	if p := u.Profile; p != nil {
		out.FirstName, out.LastName, out.Organization = p.FirstName, p.LastName, p.Organization
		out.Description, out.Email = p.Description, p.Email
	}
	return out
}

func shownMembership(m *directory.Membership) wire.UserProject {
	p := wire.UserProject{Project: m.Project.Name, Roles: texts(m.Roles), Topics: []string{}, Subscriptions: []string{}}
	for _, t := range m.Topics {
		p.Topics = append(p.Topics, t.Name)
	}
	for _, sub := range m.Subs {
		p.Subscriptions = append(p.Subscriptions, sub.Name)
	}
	return p
}

func shownKey(k *directory.Key) wire.Key {
	out := wire.Key{
		Name: k.ID, Enabled: !k.Disabled, CreatedOn: shownTime(k.Created),
		NotBefore: shownTime(k.NotBefore), ExpiresOn: shownTime(k.Expires),
	}
	for _, n := range k.Networks {
		out.SourceNetworks = append(out.SourceNetworks, n.String())
	}
	return out
}

func shownProject(s *snapshot.Snapshot, p *directory.Project) wire.Project {
	return wire.Project{
		Name: p.Name, Account: p.Account, Description: p.Description,
		CreatedOn: shownTime(p.Made.Created), ModifiedOn: shownTime(p.Made.Modified), CreatedBy: nameOf(s, p.Made.By),
	}
}

func topicName(project, topic string) string { return "/projects/" + project + "/topics/" + topic }

func subscriptionName(project, sub string) string {
	return "/projects/" + project + "/subscriptions/" + sub
}

func shownTopic(project string, t *directory.Topic) wire.Topic {
	return wire.Topic{
		Name: topicName(project, t.Name), Subject: cmp.Or(t.Subject, project+"."+t.Name),
		CreatedOn: shownTime(t.Created),
	}
}

func shownSubscription(project string, sub *directory.Subscription) wire.Subscription {
	out := wire.Subscription{
		Name: subscriptionName(project, sub.Name), Topic: topicName(project, sub.Topic),
		AckDeadlineSeconds: cmp.Or(sub.AckDeadline, wire.DefaultAckDeadline), CreatedOn: shownTime(sub.Created),
	}
	if p := sub.Push; p != nil {
		out.PushConfig = wire.PushConfig{
			Type: p.Type, PushEndpoint: p.Endpoint, MaxMessages: p.MaxMessages, Base64Decode: p.Base64Decode,
			RetryPolicy:   wire.RetryPolicy{Type: p.RetryType, Period: p.RetryPeriod},
			MattermostURL: p.MattermostURL, MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
		}
	}
	return out
}
