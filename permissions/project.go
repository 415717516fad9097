package permissions

import (
	"strings"

	"usher/directory"
)

// InboxPrefix returns the private inbox prefix of a user.
func InboxPrefix(user string) string { return "_INBOX_" + user }

// membership adds what one membership gives. An administrator needs no ACL
// entry; a publisher or consumer has exactly what the ACLs name it for.
func membership(b *builder, m *directory.Membership, f *directory.Facts) {
	if m.Has(directory.RoleProjectAdmin) {
		administer(b, m.Project, f)
	}
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
			consume(b, m.Project.Name, s.Name)
		}
	}
}

// administer adds what an administrator of a project gets.
func administer(b *builder, p *directory.Project, f *directory.Facts) {
	projectAdmin(b, p)
	if n, certain := f.ProjectsIn(p.Account); certain && n <= 1 {
		readDirectly(b, p.Name)
	}
}

// consume adds what a JetStream pull consumer needs: stream P, durable S.
func consume(b *builder, p, s string) {
	o := Origin{
		Source: SourceACL, Role: string(directory.RoleConsumer),
		Project: p, Resource: resourceSub, Name: s,
	}
	stream := p + "." + s
	b.allow(Publish, "$JS.API.CONSUMER.INFO."+stream, o)
	b.allow(Publish, "$JS.API.CONSUMER.MSG.NEXT."+stream, o)
	b.allow(Publish, "$JS.ACK."+stream+ackTail, o)
}

// ackTail is what stands behind stream and consumer in an acknowledgement:
// deliveries, stream sequence, consumer sequence, time, pending. With an open
// tail the rule would take in the newer form too, which has the JetStream domain
// and a hash of the account before the stream: a project called like the domain
// would acknowledge, and with +NXT read, for every stream of the account.
const ackTail = ".*.*.*.*.*"

// maxFilterTokens is how many tokens a subject may have where it is part of a
// JetStream subject: the filter of a new consumer, and what is read directly. It
// is the number that NATS recommends at most. What is longer goes into the
// request instead (docs/reference/permissions.md).
const maxFilterTokens = 16

// projectAdmin adds everything inside the project: its subjects, its stream's
// messages and consumers. Creating or changing the stream itself is not inside:
// a stream may capture any subject of the account.
//
// Every verb is spelt out. A wildcard in its place would also match the longer
// verbs of other streams: "$JS.API.CONSUMER.*.NEXT.>", for a project called
// NEXT, is "$JS.API.CONSUMER.MSG.NEXT.<any stream>".
func projectAdmin(b *builder, p *directory.Project) {
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
	tail := strings.Repeat(".*", maxFilterTokens)
	for n := 0; n <= len(tail); n += len(".*") {
		b.allow(Publish, api+"CONSUMER.CREATE."+p.Name+".*"+tail[:n], o)
	}
	b.allow(Publish, "$JS.ACK."+p.Name+".*"+ackTail, o)
	b.allow(Publish, "$JS.FC."+p.Name+".*.*", o)
}

// readDirectly adds the direct read of a stream's messages, for an administrator
// whose project is alone in its account. The server sends what is read to any
// reply subject, where the JetStream API takes it for a request: a message that
// asks for a consumer on another project's stream gets one.
func readDirectly(b *builder, project string) {
	o := Origin{Source: SourceRole, Role: string(directory.RoleProjectAdmin), Project: project}
	tail := strings.Repeat(".*", maxFilterTokens)
	for n := 0; n <= len(tail); n += len(".*") {
		b.allow(Publish, "$JS.API.DIRECT.GET."+project+tail[:n], o)
	}
}

// serviceAdmin adds everything in the account.
func serviceAdmin(b *builder) {
	b.both(">", Origin{Source: SourceServiceRole, Role: string(directory.ServiceRoleAdmin)})
}
