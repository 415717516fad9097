package validation

import (
	"usher/directory"
	"usher/directory/hashtable"
	"usher/internal/secret"
)

func (c *checker) bans() {
	ids := make(map[string]int, len(c.records.Bans))
	for i := range c.records.Bans {
		c.ban(i, &c.records.Bans[i], ids)
	}
}

// ban checks a ban. ids has the ids of the bans before it.
func (c *checker) ban(i int, b *directory.Ban, ids map[string]int) {
	c.yielder.Step()
	at := path{key: "bans", index: i}
	if first, ok := ids[b.ID]; ok && b.ID == b.Target.DefaultID() {
		c.add(at, "state an id for one of them", "there is already a ban of this target at %s", (&path{key: "bans", index: first}).String())
	} else {
		c.uniqueName(at.field("id"), "ban", b.ID, i, ids)
	}
	if b.User != "" && !c.userExists(b.User) && !c.secret(at.field("user"), b.User) {
		c.add(at.field("user"), c.didYouMean(b.User, "", c.userNames(c.records)), "there is no user %s", secret.Name(b.User))
	}
	for _, p := range b.Check() {
		where := at
		if p.Path != "" {
			where = at.field(p.Path)
		}
		c.add(where, p.Hint, "%s", p.Message)
	}
}

func (c *checker) userExists(name string) bool {
	_, ok := c.names.Find(hashtable.HashString(name), c.hasName(name))
	return ok || c.inRest(name)
}
