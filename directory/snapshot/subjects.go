package snapshot

import (
	"strings"
	"usher/directory"

	"github.com/google/uuid"

	"usher/internal/secret"
)

// strays reports whether a topic's subject is outside of its project.
func (p *projectEntry) strays(subject string) bool {
	return !strings.HasPrefix(subject, p.project.Name+".")
}

// inAccount adds a project to what is known of its account, or takes it away.
func (d *draft) inAccount(p *projectEntry, n int) {
	if !p.named {
		return
	}
	a := d.s.accounts[p.project.Account]
	a.Projects += n
	for _, t := range p.topics {
		if t.there && p.strays(t.view.Subject) {
			a.TopicsOutside += n
		}
	}
	if a == (directory.AccountUse{}) {
		delete(d.s.accounts, p.project.Account)
	} else {
		d.s.accounts[p.project.Account] = a
	}
}

// unsettled returns the projects that have to be looked at because they have an
// account to themselves now and had not, or the other way round, and topics to
// which that matters.
func (d *draft) unsettled() []*projectEntry {
	of := map[string]bool{}
	note := func(p *projectEntry) {
		if p == nil || !p.named {
			return
		}
		now, was := d.s.accounts[p.project.Account], d.was.accounts[p.project.Account]
		if now.TopicsOutside > 0 && (now.Projects > 1) != (was.Projects > 1) {
			of[p.project.Account] = true
		}
	}
	for _, p := range d.projects {
		note(p.was)
		note(p)
	}
	if len(of) == 0 {
		return nil
	}
	var ids []uuid.UUID
	for p := range d.s.called.All() {
		if of[p.project.Account] {
			ids = append(ids, p.id)
		}
	}
	return d.touch(ids)
}

// claimSubjects lets each topic of a project have its subject, or none: one that
// is outside of the project is not its own if others are in the account, and of
// two topics of one subject one does not have it.
func (d *draft) claimSubjects(p *projectEntry) {
	taken := make(map[string]bool, len(p.topics))
	for _, stated := range []bool{false, true} {
		for _, t := range p.topics {
			if !t.there || (t.subject != "") != stated {
				continue
			}
			message := ""
			switch subject := t.view.Subject; {
			case !p.named: // nobody sees it
			case p.strays(subject) && d.s.accounts[p.project.Account].Projects > 1:
				message = "subject " + secret.Name(subject) + " lies outside of project " + secret.Name(p.project.Name) + ", and other projects are in its account too"
			case taken[subject]:
				message = "subject " + secret.Name(subject) + " is another topic's already"
			default:
				taken[subject] = true
			}
			d.block(p, t, message)
		}
	}
}

// block says whether a topic has its subject: if there is no message, it has.
func (d *draft) block(p *projectEntry, t *resource[directory.Topic], message string) {
	var was *resource[directory.Topic]
	if p.was != nil {
		if at, ok := find(p.was.topics, t.name); ok {
			was = p.was.topics[at]
		}
	}
	if blocked := message != ""; t.blocked != blocked {
		change(d.e, &p.topics, t.name).blocked = blocked
		d.indirect = append(d.indirect, p.id)
	}
	if message != "" && (was == nil || !was.blocked || was.view.Revision != t.view.Revision) { // it is not known yet
		path := directory.ResourceKey(directory.KindTopic, p.id, t.name).Path()
		d.blocked = append(d.blocked, directory.Problem{Path: path, Message: message, Hint: "choose another subject"})
	}
}
