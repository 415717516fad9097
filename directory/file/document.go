package file

import (
	"net/netip"
	"time"

	"github.com/google/uuid"

	"usher/directory"
)

// document is the shape of directory.yaml.
type document struct {
	Users    []user    `yaml:"users"`
	Projects []project `yaml:"projects"`
	Bans     []ban     `yaml:"bans"`
}

type user struct {
	Name         string                  `yaml:"name"`
	UUID         id                      `yaml:"uuid"`
	Enabled      *bool                   `yaml:"enabled"`
	ServiceRoles []directory.ServiceRole `yaml:"service_roles"`
	Limits       limits                  `yaml:"limits"`
	FirstName    string                  `yaml:"first_name"`
	LastName     string                  `yaml:"last_name"`
	Organization string                  `yaml:"organization"`
	Description  string                  `yaml:"description"`
	Email        string                  `yaml:"email"`
	CreatedOn    time.Time               `yaml:"created_on"`
	ModifiedOn   time.Time               `yaml:"modified_on"`
	CreatedBy    id                      `yaml:"created_by"`
	Keys         []key                   `yaml:"keys"`
	NKeys        []nkey                  `yaml:"nkeys"`
	Password     *password               `yaml:"password"`
	Certificates []certificate           `yaml:"certificates"`
	Bindings     []binding               `yaml:"bindings"`
}

// An empty list of connection types or networks is an error: it would lift the limit that
// it seems to set.
type limits struct {
	ConnectionTypes []connectionType `yaml:"connection_types" nonempty:"true"`
}

type key struct {
	Digest digest `yaml:"digest" required:"true"`
	terms
}

type nkey struct {
	NKey string `yaml:"nkey" required:"true"`
	terms
}

type password struct {
	Hash string `yaml:"hash" required:"true" secret:"true"`
	terms
}

type certificate struct {
	Subject string `yaml:"subject" required:"true"`
	terms
}

type binding struct {
	Subject     string `yaml:"subject" required:"true"`
	ServiceType string `yaml:"service_type" required:"true"`
	Host        string `yaml:"host" required:"true"`
	terms
}

// terms are the name of a key, and when and from where it is valid.
type terms struct {
	ID        string         `yaml:"id" nonempty:"true"`
	Enabled   *bool          `yaml:"enabled"`
	NotBefore time.Time      `yaml:"not_before"`
	Expires   time.Time      `yaml:"expires"`
	Networks  []netip.Prefix `yaml:"networks" nonempty:"true"`
	CreatedOn time.Time      `yaml:"created_on"`
}

type project struct {
	Name          string         `yaml:"name"`
	UUID          id             `yaml:"uuid"`
	Account       string         `yaml:"account"`
	Description   string         `yaml:"description"`
	CreatedOn     time.Time      `yaml:"created_on"`
	ModifiedOn    time.Time      `yaml:"modified_on"`
	CreatedBy     id             `yaml:"created_by"`
	Members       []member       `yaml:"members"`
	Topics        []topic        `yaml:"topics"`
	Subscriptions []subscription `yaml:"subscriptions"`
}

type member struct {
	User  string           `yaml:"user"`
	Roles []directory.Role `yaml:"roles"`
}

type topic struct {
	Name      string    `yaml:"name"`
	Subject   string    `yaml:"subject" nonempty:"true"`
	CreatedOn time.Time `yaml:"created_on"`
	ACL       []string  `yaml:"acl"`
}

type subscription struct {
	Name        string    `yaml:"name"`
	Topic       string    `yaml:"topic"`
	AckDeadline count     `yaml:"ack_deadline"`
	Push        *push     `yaml:"push"`
	CreatedOn   time.Time `yaml:"created_on"`
	ACL         []string  `yaml:"acl"`
}

type push struct {
	Type               pushType  `yaml:"type"`
	Endpoint           string    `yaml:"endpoint"`
	MaxMessages        count     `yaml:"max_messages"`
	RetryType          retryType `yaml:"retry_type"`
	RetryPeriod        count     `yaml:"retry_period"`
	Base64Decode       bool      `yaml:"base64_decode"`
	MattermostURL      string    `yaml:"mattermost_url"`
	MattermostUsername string    `yaml:"mattermost_username"`
	MattermostChannel  string    `yaml:"mattermost_channel"`
	VerificationHash   string    `yaml:"verification_hash"`
	Verified           bool      `yaml:"verified"`

	Authorization *pushAuthorization `yaml:"authorization"`
}

// pushAuthorization is sealed, so its values are not secret; in an import, header can be in
// clear instead.
type pushAuthorization struct {
	Header        headerText `yaml:"header"`
	Sealed        sealed     `yaml:"sealed"`
	Previous      sealed     `yaml:"previous"`
	PreviousUntil time.Time  `yaml:"previous_until"`
}

// count is a number that is never negative.
type count uint32

// records converts the document. Indexes stay the same as in the file.
func (d *document) records() directory.Records {
	return directory.Records{
		Users:    convert(d.Users, user.record),
		Projects: convert(d.Projects, project.record),
		Bans:     convert(d.Bans, ban.record),
	}
}

func (u user) record() directory.User {
	return directory.User{
		ID:           uuid.UUID(u.UUID),
		Name:         u.Name,
		Disabled:     disabled(u.Enabled),
		ServiceRoles: u.ServiceRoles,
		Limits: directory.Limits{ConnectionTypes: convert(u.Limits.ConnectionTypes,
			func(c connectionType) directory.ConnectionType { return directory.ConnectionType(c) })},
		Profile: u.profile(),
		Made:    made(u.CreatedOn, u.ModifiedOn, u.CreatedBy),
		Keys:    u.keys(),
	}
}

// keys returns the keys of all kinds.
func (u user) keys() []directory.Key {
	all := convert(u.Keys, func(k key) directory.Key {
		r := k.record(nil)
		r.Digest = directory.Digest(k.Digest)
		return r
	})
	for _, k := range u.NKeys {
		all = append(all, k.record(&directory.OtherKey{Kind: directory.KeyNKey, NKey: k.NKey}))
	}
	if k := u.Password; k != nil {
		all = append(all, k.record(&directory.OtherKey{Kind: directory.KeyPassword, PasswordHash: k.Hash}))
	}
	for _, k := range u.Certificates {
		all = append(all, k.record(&directory.OtherKey{Kind: directory.KeyCertificate, DN: k.Subject}))
	}
	for _, k := range u.Bindings {
		all = append(all, k.record(&directory.OtherKey{Kind: directory.KeyBinding, DN: k.Subject, ServiceType: k.ServiceType, Host: k.Host}))
	}
	return all
}

// profile returns nil if no field of the profile is stated.
func (u user) profile() *directory.Profile {
	p := directory.Profile{
		FirstName: u.FirstName, LastName: u.LastName,
		Organization: u.Organization, Description: u.Description, Email: u.Email,
	}
	if p == (directory.Profile{}) {
		return nil
	}
	return &p
}

func made(created, modified time.Time, by id) directory.Made {
	return directory.Made{Created: created, Modified: modified, By: uuid.UUID(by)}
}

// record returns a key with these terms. Its digest is not set.
func (t *terms) record(other *directory.OtherKey) directory.Key {
	return directory.Key{
		ID:        t.ID,
		Other:     other,
		Disabled:  disabled(t.Enabled),
		NotBefore: t.NotBefore,
		Expires:   t.Expires,
		Networks:  t.Networks,
		Created:   t.CreatedOn,
	}
}

func (p project) record() directory.Project {
	return directory.Project{
		ID:          uuid.UUID(p.UUID),
		Name:        p.Name,
		Account:     p.Account,
		Description: p.Description,
		Made:        made(p.CreatedOn, p.ModifiedOn, p.CreatedBy),
		Members: convert(p.Members, func(m member) directory.Member {
			return directory.Member{User: m.User, Roles: m.Roles}
		}),
		Topics: convert(p.Topics, func(t topic) directory.Topic {
			return directory.Topic{Name: t.Name, Subject: t.Subject, Created: t.CreatedOn, ACL: t.ACL}
		}),
		Subscriptions: convert(p.Subscriptions, func(s subscription) directory.Subscription {
			return directory.Subscription{
				Name: s.Name, Topic: s.Topic, AckDeadline: int(s.AckDeadline), Push: s.Push.record(), Created: s.CreatedOn, ACL: s.ACL,
			}
		}),
	}
}

func (p *push) record() *directory.Push {
	if p == nil {
		return nil
	}
	return &directory.Push{
		Type: string(p.Type), Endpoint: p.Endpoint, MaxMessages: int(p.MaxMessages),
		RetryType: string(p.RetryType), RetryPeriod: int(p.RetryPeriod), Base64Decode: p.Base64Decode,
		MattermostURL: p.MattermostURL, MattermostUsername: p.MattermostUsername, MattermostChannel: p.MattermostChannel,
		VerificationHash: p.VerificationHash, Verified: p.Verified, Authorization: p.Authorization.record(),
	}
}

func (a *pushAuthorization) record() *directory.PushAuthorization {
	if a == nil {
		return nil
	}
	return &directory.PushAuthorization{Header: string(a.Header), Sealed: a.Sealed.bytes, Previous: a.Previous.bytes, PreviousUntil: a.PreviousUntil}
}

func disabled(enabled *bool) bool { return enabled != nil && !*enabled }

// convert returns nil for nil, so that an absent list stays absent.
func convert[From, To any](from []From, f func(From) To) []To {
	if from == nil {
		return nil
	}
	to := make([]To, len(from))
	for i := range from {
		to[i] = f(from[i])
	}
	return to
}
