package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
	"usher/directory/bans"
)

// Bans returns the bans, in force or not; nil: there are none.
func (s *Snapshot) Bans() *bans.Index { return s.bans }

// Concerned returns the only user whom a ban concerns; Nil: it may concern anybody.
func (s *Snapshot) Concerned(t *directory.BanTarget) uuid.UUID {
	if t.Kind() == directory.BanOfDigest {
		if e := s.keyHolder(&t.Digest); e != nil {
			return e.id
		}
	}
	return t.User
}

// applyBan applies the entry of a ban.
func (d *draft) applyBan(k directory.EntryKey, v *directory.Ban, revision uint64) {
	old, known := d.next.bans.Find(k.Name)
	if v == nil && !known {
		return
	}
	if !d.ownsBans {
		d.next.bans, d.ownsBans = d.next.bans.Clone(), true
	}
	if known {
		d.banned = append(d.banned, d.next.Concerned(&old.Target))
	}
	if v != nil {
		own := *v
		own.ID, own.User, own.Revision = k.Name, "", revision
		v = &own
		d.banned = append(d.banned, d.next.Concerned(&own.Target))
	}
	d.next.bans.Set(d.owner, k.Name, v)
	if d.next.size.Bans = d.next.bans.Len(); d.next.size.Bans == 0 {
		d.next.bans, d.ownsBans = nil, false
	}
}
