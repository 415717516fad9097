package config

import (
	"time"

	"usher/app/config/schema"
)

// The values of audit.to.
const (
	AuditFile   = "file"
	AuditStream = "stream"
	AuditOff    = "off"
)

// Audit configures the audit log.
type Audit struct {
	To         string        `yaml:"to" default:"stderr" rule:"one-of=stderr|file|stream|off" doc:"Where usher writes audit events. stream: to a JetStream stream in the account of the service user, which needs JetStream (docs/how-to/audit.md)."`
	File       string        `yaml:"file" rule:"path" doc:"File that usher appends audit events to if audit.to is file. If audit.to is stream, it is the spool file: it keeps the events that memory cannot hold while JetStream is away, and those that are not stored when usher stops. usher creates it with mode 0600. usher push adds -push to the name of a spool file. Each usher instance needs its own file."`
	Stream     string        `yaml:"stream" default:"USHER_AUDIT" rule:"bucket" doc:"Name of the stream. usher creates it if it does not exist, with the settings below, and never changes or deletes one that exists."`
	Subject    string        `yaml:"subject" default:"usher.audit" rule:"subject-prefix" doc:"First tokens of the subjects of audit events. Each kind has one more: usher.audit.decision, usher.audit.change, and so on."`
	MaxAge     time.Duration `yaml:"max_age" default:"2160h" rule:"zero-or-at-least=1h" doc:"How long a stream that usher creates keeps an event. 0: no limit."`
	MaxBytes   int           `yaml:"max_bytes" default:"1073741824" rule:"between=0..1099511627776" doc:"How many bytes a stream that usher creates keeps. When it is full, the oldest events are removed. 0: no limit."`
	Replicas   int           `yaml:"replicas" default:"1" rule:"between=1..5" doc:"Number of servers of the cluster that store a stream that usher creates. With 3 the stream survives the loss of one server."`
	SpoolBytes int           `yaml:"spool_bytes" default:"268435456" rule:"between=65536..1099511627776" doc:"Maximum size of the spool file. Above it, and without one, events that memory cannot hold are lost, logged and counted."`
}

func auditConstraints() []schema.Constraint {
	const to = "audit.to"
	return []schema.Constraint{
		schema.NeededIf(to, AuditFile, "audit.file"),
		schema.OnlyIf("audit.file", to, AuditFile, AuditStream),
	}
}
