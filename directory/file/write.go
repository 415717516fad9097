package file

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"usher/directory"
)

const header = `# Directory written by usher; docs/reference/directory.md describes the format.
# It shows who may do what, but contains no API key.
`

const passwordHeader = `# It has the hashes of passwords: whoever reads it can try passwords against them.
`

// Write writes r as the text of a directory: sorted and without default values. Parse
// reads the same records from it, except for their order, revisions, and text that is not
// UTF-8. Write does not check the records.
func Write(w io.Writer, r directory.Records) error {
	p := &printer{w: bufio.NewWriterSize(w, 1<<16)}
	p.lines(header)
	if slices.ContainsFunc(r.Users, func(u directory.User) bool { return len(u.KeysOf(directory.KeyPassword)) > 0 }) {
		p.lines(passwordHeader)
	}
	if p.begin(0, "users", len(r.Users)); len(r.Users) == 0 {
		p.lines("users: []\n") // Load refuses an empty file
	}
	for _, u := range sorted(r.Users, func(u *directory.User) string { return u.Name }) {
		p.user(u)
	}
	p.begin(0, "projects", len(r.Projects))
	for _, project := range sorted(r.Projects, func(p *directory.Project) string { return p.Name }) {
		p.project(project)
	}
	p.begin(0, "bans", len(r.Bans))
	for _, b := range sorted(r.Bans, func(b *directory.Ban) string { return b.ID }) {
		p.ban(b)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write directory: %w", err)
	}
	return nil
}

// sorted returns pointers to the elements of list, sorted by name.
func sorted[T any](list []T, name func(*T) string) []*T {
	all := make([]*T, len(list))
	for i := range list {
		all[i] = &list[i]
	}
	slices.SortStableFunc(all, func(x, y *T) int { return strings.Compare(name(x), name(y)) })
	return all
}

func (p *printer) user(u *directory.User) {
	p.item(2, fields{}.
		raw("name", scalar(u.Name)).
		id("uuid", u.ID, directory.IDOf(directory.KindUser, u.Name)).
		enabled(!u.Disabled).
		list("service_roles", words(u.ServiceRoles)))
	if types := u.Limits.ConnectionTypes; len(types) > 0 {
		p.begin(4, "limits", 1)
		p.mapping(6, fields{}.list("connection_types", words(convert(types,
			func(c directory.ConnectionType) string { return strings.ToLower(string(c)) }))))
	}
	var more fields
	if u.Profile != nil {
		more = more.
			text("first_name", u.Profile.FirstName).
			text("last_name", u.Profile.LastName).
			text("organization", u.Profile.Organization).
			text("description", u.Profile.Description).
			text("email", u.Profile.Email)
	}
	p.mapping(4, more.made(u.Made))
	p.keys(u.Keys)
}

// keys writes the keys of a user, each kind in its own list.
func (p *printer) keys(keys []directory.Key) {
	all := sorted(keys, keyID)
	for _, kind := range directory.KeyKinds() {
		begun := false
		for _, k := range all {
			switch {
			case k.Kind() != kind:
				continue
			case !begun:
				p.begin(4, kind.List(), 1)
				begun = true
			}
			if f := keyFields(k); kind == directory.KeyPassword {
				p.mapping(6, f)
			} else {
				p.item(6, f)
			}
		}
	}
}

func keyFields(k *directory.Key) fields {
	var f fields
	switch k.Kind() {
	case directory.KeyAPI:
		f = f.raw("digest", k.Digest.String())
	case directory.KeyNKey:
		f = f.text("nkey", k.Other.NKey)
	case directory.KeyPassword:
		f = f.text("hash", k.Other.PasswordHash)
	case directory.KeyCertificate:
		f = f.text("subject", k.Other.DN)
	case directory.KeyBinding:
		f = f.text("subject", k.Other.DN).text("service_type", k.Other.ServiceType).text("host", k.Other.Host)
	}
	return f.
		text("id", unlessDefault(keyID(k), k.DefaultID())).
		enabled(!k.Disabled).
		time("not_before", k.NotBefore).
		time("expires", k.Expires).
		list("networks", convert(k.Networks, network)).
		time("created_on", k.Created)
}

// network quotes IPv6 networks, because of their colons.
func network(n netip.Prefix) string {
	if n.Addr().Is4() {
		return n.String()
	}
	return strconv.Quote(n.String())
}

func keyID(k *directory.Key) string { return cmp.Or(k.ID, k.DefaultID()) }

// unlessDefault returns value, or an empty string if it is the default.
func unlessDefault(value, def string) string {
	if value == def {
		return ""
	}
	return value
}

func (p *printer) project(x *directory.Project) {
	p.item(2, fields{}.
		raw("name", scalar(x.Name)).
		id("uuid", x.ID, directory.IDOf(directory.KindProject, x.Name)).
		text("account", x.Account).
		text("description", x.Description).
		made(x.Made))
	p.begin(4, "members", len(x.Members))
	for _, m := range sorted(x.Members, func(m *directory.Member) string { return m.User }) {
		p.shortItem(6, fields{}.raw("user", scalar(m.User)).list("roles", words(m.Roles)))
	}
	p.begin(4, "topics", len(x.Topics))
	for _, t := range sorted(x.Topics, func(t *directory.Topic) string { return t.Name }) {
		p.shortItem(6, fields{}.
			raw("name", scalar(t.Name)).
			text("subject", t.Subject).
			time("created_on", t.Created).
			acl(t.ACL))
	}
	p.begin(4, "subscriptions", len(x.Subscriptions))
	for _, s := range sorted(x.Subscriptions, func(s *directory.Subscription) string { return s.Name }) {
		f := fields{}.
			raw("name", scalar(s.Name)).
			text("topic", s.Topic).
			number("ack_deadline", s.AckDeadline).
			time("created_on", s.Created).
			acl(s.ACL)
		if s.Push == nil {
			p.shortItem(6, f)
			continue
		}
		p.item(6, f)
		p.push(s.Push)
	}
}

func (p *printer) push(push *directory.Push) {
	f := fields{}.
		text("type", push.Type).
		text("endpoint", push.Endpoint).
		number("max_messages", push.MaxMessages).
		text("retry_type", push.RetryType).
		number("retry_period", push.RetryPeriod).
		flag("base64_decode", push.Base64Decode).
		text("mattermost_url", push.MattermostURL).
		text("mattermost_username", push.MattermostUsername).
		text("mattermost_channel", push.MattermostChannel).
		text("verification_hash", push.VerificationHash).
		flag("verified", push.Verified)
	if len(f) == 0 && push.Authorization == nil {
		p.mapping(8, fields{}.raw("push", "{}"))
		return
	}
	p.begin(8, "push", 1)
	p.mapping(10, f)
	if a := push.Authorization; a != nil {
		p.begin(10, "authorization", 1)
		p.mapping(12, fields{}.text("header", a.Header).sealed("sealed", a.Sealed).sealed("previous", a.Previous).time("previous_until", a.PreviousUntil))
	}
}

// The functions below add a field, unless it has its default value.

func (f fields) text(key, value string) fields {
	if value == "" {
		return f
	}
	return f.raw(key, scalar(value))
}

func (f fields) sealed(key string, value []byte) fields {
	return f.text(key, base64.StdEncoding.EncodeToString(value))
}

// acl distinguishes an empty list from none.
func (f fields) acl(users []string) fields {
	if users != nil && len(users) == 0 {
		return f.raw("acl", "[]")
	}
	return f.list("acl", words(users))
}

func (f fields) number(key string, n int) fields {
	if n == 0 {
		return f
	}
	return f.raw(key, strconv.Itoa(n))
}

func (f fields) flag(key string, set bool) fields {
	if !set {
		return f
	}
	return f.raw(key, "true")
}

func (f fields) enabled(yes bool) fields {
	if yes {
		return f
	}
	return f.raw("enabled", "false")
}

func (f fields) id(key string, id, def uuid.UUID) fields {
	if id == uuid.Nil || id == def {
		return f
	}
	return f.raw(key, id.String())
}

// time writes UTC, so that the text does not depend on the time zone of the machine.
func (f fields) time(key string, t time.Time) fields {
	if t.IsZero() {
		return f
	}
	if utc := t.UTC(); utc.Year() >= 0 && utc.Year() <= 9999 { // RFC 3339 has no other years
		t = utc
	}
	return f.raw(key, t.Format(time.RFC3339Nano))
}

func (f fields) made(m directory.Made) fields {
	return f.time("created_on", m.Created).time("modified_on", m.Modified).id("created_by", m.By, uuid.Nil)
}
