package file

import (
	"net/netip"
	"time"

	"usher/directory"
)

// document is the shape of directory.yaml.
type document struct {
	Users    []user    `yaml:"users"`
	Projects []project `yaml:"projects"`
}

type user struct {
	Name         string                  `yaml:"name"`
	Enabled      *bool                   `yaml:"enabled"`
	ServiceRoles []directory.ServiceRole `yaml:"service_roles"`
	Limits       limits                  `yaml:"limits"`
	Keys         []key                   `yaml:"keys"`
}

// An empty list of connection types or networks would lift the limit that it
// seems to set, so neither may be written.
type limits struct {
	ConnectionTypes []connectionType `yaml:"connection_types" nonempty:"true"`
}

type key struct {
	Digest    digest         `yaml:"digest" required:"true"`
	ID        string         `yaml:"id" nonempty:"true"`
	Enabled   *bool          `yaml:"enabled"`
	NotBefore time.Time      `yaml:"not_before"`
	Expires   time.Time      `yaml:"expires"`
	Networks  []netip.Prefix `yaml:"networks" nonempty:"true"`
}

type project struct {
	Name          string         `yaml:"name"`
	Account       string         `yaml:"account"`
	Description   string         `yaml:"description"`
	Members       []member       `yaml:"members"`
	Topics        []topic        `yaml:"topics"`
	Subscriptions []subscription `yaml:"subscriptions"`
}

type member struct {
	User  string           `yaml:"user"`
	Roles []directory.Role `yaml:"roles"`
}

type topic struct {
	Name    string   `yaml:"name"`
	Subject string   `yaml:"subject" nonempty:"true"`
	ACL     []string `yaml:"acl"`
}

type subscription struct {
	Name  string   `yaml:"name"`
	Topic string   `yaml:"topic"`
	ACL   []string `yaml:"acl"`
}

// records converts the document, entry by entry: indexes stay what they are in
// the file.
func (d *document) records() directory.Records {
	return directory.Records{
		Users:    convert(d.Users, user.record),
		Projects: convert(d.Projects, project.record),
	}
}

func (u user) record() directory.User {
	return directory.User{
		Name:         u.Name,
		Disabled:     disabled(u.Enabled),
		ServiceRoles: u.ServiceRoles,
		Limits: directory.Limits{ConnectionTypes: convert(u.Limits.ConnectionTypes,
			func(c connectionType) directory.ConnectionType { return directory.ConnectionType(c) })},
		Keys: convert(u.Keys, key.record),
	}
}

func (k key) record() directory.Key {
	return directory.Key{
		ID:        k.ID,
		Digest:    directory.Digest(k.Digest),
		Disabled:  disabled(k.Enabled),
		NotBefore: k.NotBefore,
		Expires:   k.Expires,
		Networks:  k.Networks,
	}
}

func (p project) record() directory.Project {
	return directory.Project{
		Name:        p.Name,
		Account:     p.Account,
		Description: p.Description,
		Members: convert(p.Members, func(m member) directory.Member {
			return directory.Member{User: m.User, Roles: m.Roles}
		}),
		Topics: convert(p.Topics, func(t topic) directory.Topic {
			return directory.Topic{Name: t.Name, Subject: t.Subject, ACL: t.ACL}
		}),
		Subscriptions: convert(p.Subscriptions, func(s subscription) directory.Subscription {
			return directory.Subscription{Name: s.Name, Topic: s.Topic, ACL: s.ACL}
		}),
	}
}

func disabled(enabled *bool) bool { return enabled != nil && !*enabled }

// convert keeps nil nil, so that an absent list and its record compare equal.
func convert[From, To any](from []From, one func(From) To) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i, f := range from {
		to[i] = one(f)
	}
	return to
}
