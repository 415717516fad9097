package file

import (
	"net/netip"
	"time"

	"usher/directory"
)

type ban struct {
	ID           string       `yaml:"id" nonempty:"true"`
	User         string       `yaml:"user" nonempty:"true"`
	Key          string       `yaml:"key" nonempty:"true"`
	Digest       digest       `yaml:"digest"`
	Network      netip.Prefix `yaml:"network"`
	MQTTClientID string       `yaml:"mqtt_client_id" nonempty:"true"`
	Account      string       `yaml:"account" nonempty:"true"`
	Authority    string       `yaml:"authority" nonempty:"true"`
	IdentityID   string       `yaml:"identity_id" nonempty:"true"`
	SessionID    string       `yaml:"session_id" nonempty:"true"`
	IssuedBefore time.Time    `yaml:"issued_before"`
	Reason       string       `yaml:"reason" required:"true"`
	By           string       `yaml:"by"`
	CreatedOn    time.Time    `yaml:"created_on"`
	Until        time.Time    `yaml:"until" required:"true"`
}

func (b ban) record() directory.Ban {
	return directory.Ban{
		ID: b.ID, User: b.User,
		Target: directory.BanTarget{
			Key: b.Key, Digest: directory.Digest(b.Digest), Network: b.Network,
			MQTTClientID: b.MQTTClientID, Account: b.Account,
			Authority: b.Authority, IdentityID: b.IdentityID, SessionID: b.SessionID,
		},
		IssuedBefore: b.IssuedBefore, Reason: b.Reason, By: b.By, Created: b.CreatedOn, Until: b.Until,
	}
}

// ban writes a ban.
func (p *printer) ban(b *directory.Ban) {
	t := &b.Target
	f := fields{}.text("id", unlessDefault(b.ID, t.DefaultID())).text("user", b.User).text("key", t.Key)
	if t.Digest != (directory.Digest{}) {
		f = f.raw("digest", t.Digest.String())
	}
	if t.Network.IsValid() {
		f = f.raw("network", network(t.Network))
	}
	p.item(2, f.
		text("mqtt_client_id", t.MQTTClientID).
		text("account", t.Account).
		text("authority", t.Authority).
		text("identity_id", t.IdentityID).
		text("session_id", t.SessionID).
		time("issued_before", b.IssuedBefore).
		text("reason", b.Reason).
		text("by", b.By).
		time("created_on", b.Created).
		time("until", b.Until))
}
