package permissions

import (
	"strings"

	"usher/directory"
)

// InboxPrefix returns the private inbox prefix of a user.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// addMembership adds the rules of one membership. A project_admin needs no ACL entry; a
// publisher or consumer gets the topics or subscriptions whose ACLs name the user.
func addMembership(b *builder, m *directory.Membership, f *directory.Facts) {
	if m.Has(directory.RoleProjectAdmin) {
		addProjectAdmin(b, m.Project, f)
	}
	b.grow(len(m.Topics) + subRules*len(m.Subs) + commonRules)
	if m.Has(directory.RolePublisher) {
		for _, t := range m.Topics {
			b.allow(Publish, t.Subject, Origin{
				Source: SourceACL, Role: string(directory.RolePublisher),
				Project: m.Project.Name, Resource: resourceTopic, Name: t.Name,
			})
		}
	}
	if m.Has(directory.RoleConsumer) {
		for _, s := range m.Subs {
			addConsumer(b, m.Project.Name, s.Name)
		}
	}
}

// addProjectAdmin adds the rules of a project_admin.
func addProjectAdmin(b *builder, p *directory.Project, f *directory.Facts) {
	addProjectRules(b, p)
	if n, certain := f.ProjectsIn(p.Account); certain && n <= 1 {
		addDirectGet(b, p.Name)
	}
}

// Rules of one subscription, and of every grant: the inbox and the denials.
const (
	subRules    = 3
	commonRules = 3
)

// addConsumer adds the rules to use pull consumer s of stream p.
func addConsumer(b *builder, p, s string) {
	o := Origin{
		Source: SourceACL, Role: string(directory.RoleConsumer),
		Project: p, Resource: resourceSub, Name: s,
	}
	stream := p + "." + s
	b.allow(Publish, "$JS.API.CONSUMER.INFO."+stream, o)
	b.allow(Publish, "$JS.API.CONSUMER.MSG.NEXT."+stream, o)
	b.allow(Publish, "$JS.ACK."+stream+ackSuffix, o)
}

// ackSuffix matches what follows stream and consumer in the subject of an
// acknowledgement: deliveries, stream sequence, consumer sequence, time, pending. With
// ">" in its place the rule would also match the newer format, which has the JetStream
// domain and a hash of the account before the stream: a project with the name of the
// domain could then acknowledge, and with +NXT read, every stream of the account.
const ackSuffix = ".*.*.*.*.*"

// maxFilterTokens is the maximum number of tokens of a subject that is part of a
// JetStream API subject: the filter of a new consumer, or the subject of a direct get.
// NATS recommends no more. A longer filter goes into the request (docs/reference/permissions.md).
const maxFilterTokens = 16

// addProjectRules adds everything inside a project: its subjects, and the messages and
// consumers of its stream. It does not include creating or changing the stream, because
// a stream may capture any subject of the account.
//
// Every API operation is spelt out. A wildcard in its place would also match longer
// operations on other streams: for a project called NEXT, "$JS.API.CONSUMER.*.NEXT.>"
// matches "$JS.API.CONSUMER.MSG.NEXT.<any stream>".
func addProjectRules(b *builder, p *directory.Project) {
	o := Origin{Source: SourceRole, Role: string(directory.RoleProjectAdmin), Project: p.Name}
	b.both(p.Name+".>", o)
	for i := range p.Topics {
		b.both(p.Topics[i].Subject, o)
	}
	const api = "$JS.API."
	for _, s := range []string{
		"STREAM.INFO.", "STREAM.PURGE.", "STREAM.MSG.GET.", "STREAM.MSG.DELETE.",
		"CONSUMER.LIST.", "CONSUMER.NAMES.", "CONSUMER.CREATE.",
	} {
		b.allow(Publish, api+s+p.Name, o)
	}
	for _, s := range []string{
		"CONSUMER.INFO.", "CONSUMER.DELETE.", "CONSUMER.PAUSE.",
		"CONSUMER.DURABLE.CREATE.", "CONSUMER.MSG.NEXT.",
	} {
		b.allow(Publish, api+s+p.Name+".*", o)
	}
	suffix := strings.Repeat(".*", maxFilterTokens)
	for n := 0; n <= len(suffix); n += len(".*") {
		b.allow(Publish, api+"CONSUMER.CREATE."+p.Name+".*"+suffix[:n], o)
	}
	b.allow(Publish, "$JS.ACK."+p.Name+".*"+ackSuffix, o)
	b.allow(Publish, "$JS.FC."+p.Name+".*.*", o)
}

// addDirectGet adds direct gets from the stream, for the admin of a project that is
// alone in its account. The server sends the message to any reply subject, also to the
// JetStream API, which takes it for a request. With a stored message that asks for a
// consumer, an admin could create one on the stream of another project.
func addDirectGet(b *builder, project string) {
	o := Origin{Source: SourceRole, Role: string(directory.RoleProjectAdmin), Project: project}
	suffix := strings.Repeat(".*", maxFilterTokens)
	for n := 0; n <= len(suffix); n += len(".*") {
		b.allow(Publish, "$JS.API.DIRECT.GET."+project+suffix[:n], o)
	}
}

// addServiceAdmin adds everything in the account.
func addServiceAdmin(b *builder) {
	b.both(">", Origin{Source: SourceServiceRole, Role: string(directory.ServiceRoleAdmin)})
}
