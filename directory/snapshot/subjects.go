package snapshot

import (
	"github.com/google/uuid"

	"usher/directory"
	"usher/internal/secret"
)

// countInAccount adds a project n times to the use of its account.
func (d *draft) countInAccount(p *projectEntry, n int) {
	if !p.hasName {
		return
	}
	use := d.next.accounts[p.project.Account]
	use.Projects += n
	for _, t := range p.topics {
		if t.exists && p.isOutside(t.view.Subject) {
			use.TopicsOutside += n
		}
	}
	if use == (directory.AccountUse{}) {
		delete(d.next.accounts, p.project.Account)
	} else {
		d.next.accounts[p.project.Account] = use
	}
}

// projectsInChangedAccounts returns the projects that are not in the draft, and whose
// topics may be blocked or unblocked: their account has topics outside of their project,
// and has become shared or is not shared any more.
func (d *draft) projectsInChangedAccounts() []*projectEntry {
	changed := map[string]bool{}
	check := func(p *projectEntry) {
		if p == nil || !p.hasName {
			return
		}
		now, before := d.next.accounts[p.project.Account], d.before.accounts[p.project.Account]
		if now.TopicsOutside > 0 && (now.Projects > 1) != (before.Projects > 1) {
			changed[p.project.Account] = true
		}
	}
	for _, p := range d.projects {
		check(p.before)
		check(p)
	}
	if len(changed) == 0 {
		return nil
	}
	var ids []uuid.UUID
	for p := range d.next.projectsByName.All() {
		if changed[p.project.Account] {
			ids = append(ids, p.id)
		}
	}
	return d.addProjects(ids)
}

// assignSubjects decides which topics of a project have their subject. A topic whose
// subject is outside of the project does not if the account is shared. Of topics with the
// same subject one has it: the topic that the subject is named after, or else the first
// by name.
func (d *draft) assignSubjects(p *projectEntry) {
	taken := make(map[string]bool, len(p.topics))
	for _, stated := range []bool{false, true} {
		for _, t := range p.topics {
			if !t.exists || (t.statedSubject != "") != stated {
				continue
			}
			message := ""
			switch subject := t.view.Subject; {
			case !p.hasName: // the project is not visible
			case p.isOutside(subject) && d.next.accounts[p.project.Account].Projects > 1:
				message = "subject " + secret.Name(subject) + " lies outside of project " + secret.Name(p.project.Name) + ", and other projects are in its account too"
			case taken[subject]:
				message = "subject " + secret.Name(subject) + " already belongs to another topic"
			default:
				taken[subject] = true
			}
			d.setBlocked(p, t, message)
		}
	}
}

// setBlocked blocks a topic with a message, or unblocks it if the message is empty.
func (d *draft) setBlocked(p *projectEntry, t *resource[directory.Topic], message string) {
	var before *resource[directory.Topic]
	if p.before != nil {
		if i, ok := find(p.before.topics, t.name); ok {
			before = p.before.topics[i]
		}
	}
	if blocked := message != ""; t.blocked != blocked {
		mutable(d.owner, &p.topics, t.name).blocked = blocked
		d.affectedProjects = append(d.affectedProjects, p.id)
	}
	reported := before != nil && before.blocked && before.view.Revision == t.view.Revision
	if message != "" && !reported {
		path := directory.ResourceKey(directory.KindTopic, p.id, t.name).Path()
		d.blocked = append(d.blocked, directory.Problem{Path: path, Message: message, Hint: "choose another subject"})
	}
}
