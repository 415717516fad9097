// Package auditing has the findings of usher check about the stream that usher writes its audit
// to: whether it takes events, keeps them, and protects them. It changes nothing and publishes
// no message.
package auditing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/app/checkup/endpoint"
	"usher/app/checkup/finding"
	"usher/app/config"
	"usher/internal/fault"
	"usher/internal/plural"
)

const (
	auditStream = "audit stream"
	limit       = 5 * time.Second // for all questions

	left          = "usher leaves a stream that exists as it is: "
	newStreamHint = "name a new stream in audit.stream, with another audit.subject, and restart usher"
)

// Check appends what it finds to f; nothing unless audit.to is stream.
func Check(ctx context.Context, f *finding.List, cfg *config.Config) {
	a := &cfg.Audit
	if a.To != config.AuditStream {
		return
	}
	js, end, ok := endpoint.JetStream(cfg, "usher-check-audit", limit)
	if !ok {
		return // reported for the service user
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	s, err := js.Stream(ctx, a.Stream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		f.Warn(auditStream, a.Stream, "usher serve makes it with its first event; if it runs, its log says why it cannot", "there is no stream yet")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		f.Fail(fault.Config, auditStream, a.Stream, "give the servers a jetstream block, and the account of the service user jetstream: enabled; or set audit.to: file",
			"there is no JetStream for the service user: events wait in memory and in the spool file, and are lost in the end")
	case err != nil:
		f.Fail(fault.Runtime, auditStream, a.Stream, "does the server with the stream run, and may the service user use JetStream of its account?", "%v", err)
	default:
		checkStream(f, a, s.CachedInfo())
	}
	checkSpool(f, a)
}

func checkStream(f *finding.List, a *config.Audit, info *jetstream.StreamInfo) {
	before := len(*f)
	checkTakes(f, a, &info.Config)
	checkKeeps(f, a, info)
	checkProtects(f, a, &info.Config)
	if len(*f) == before {
		oldest := ""
		if info.State.Msgs > 0 {
			oldest = ", the oldest of " + info.State.FirstTime.UTC().Format(time.RFC3339)
		}
		f.OK(auditStream, a.Stream, "%s%s", plural.Count(int(info.State.Msgs), "line"), oldest) //nolint:gosec // fewer than 2^63
	}
}

// checkTakes reports why a stream does not take events.
func checkTakes(f *finding.List, a *config.Audit, s *jetstream.StreamConfig) {
	want := a.Subject + ".>"
	switch {
	case s.Mirror != nil:
		f.Fail(fault.Config, auditStream, a.Stream, "usher writes to the original: name that one in audit.stream", "the stream is a mirror, and takes no events")
	case s.Sealed:
		f.Fail(fault.Config, auditStream, a.Stream, newStreamHint, "the stream is sealed, and takes no events")
	case !slices.Contains(s.Subjects, want):
		f.Fail(fault.Config, auditStream, a.Stream, "nats stream edit "+a.Stream+" --subjects '"+want+"'", "the stream does not have the subjects %s: events of usher do not arrive in it", want)
	}
	if s.NoAck {
		f.Fail(fault.Config, auditStream, a.Stream, newStreamHint, "the stream acknowledges nothing, so usher sends the same events again and again")
	}
	if s.Discard == jetstream.DiscardNew && (s.MaxBytes > 0 || s.MaxMsgs > 0) {
		f.Warn(auditStream, a.Stream, "make room before it is full, or let it discard old events", "the stream refuses new events when it is full")
	}
	if size := s.MaxMsgSize; size > 0 && size < largestLine {
		f.Warn(auditStream, a.Stream, "nats stream edit "+a.Stream+" --max-msg-size=-1", "the stream takes no event above %d bytes; usher sends that one, and all behind it, again and again", size)
	}
}

// largestLine is what a line of the audit may take, with room to spare.
const largestLine = 64 << 10

// checkKeeps reports why events may be gone sooner than the operator thinks.
func checkKeeps(f *finding.List, a *config.Audit, info *jetstream.StreamInfo) {
	s := &info.Config
	if s.Retention != jetstream.LimitsPolicy {
		f.Fail(fault.Config, auditStream, a.Stream, newStreamHint, "the retention of the stream is %s: an event goes when it was read", strings.ToLower(s.Retention.String()))
	}
	if s.Storage != jetstream.FileStorage {
		f.Warn(auditStream, a.Stream, newStreamHint, "the stream is in memory: a restart of the server loses the audit")
	}
	if s.MaxMsgsPerSubject > 0 {
		f.Fail(fault.Config, auditStream, a.Stream, "nats stream edit "+a.Stream+" --max-msgs-per-subject=-1", "the stream keeps only %d events of each kind", s.MaxMsgsPerSubject)
	}
	if s.MaxAge > 0 && (a.MaxAge == 0 || s.MaxAge < a.MaxAge) {
		f.Warn(auditStream, a.Stream, left+"nats stream edit "+a.Stream+" --max-age="+age(a.MaxAge), "the stream keeps events for %v, less than audit.max_age", s.MaxAge)
	}
	if s.MaxBytes > 0 && (a.MaxBytes == 0 || s.MaxBytes < int64(a.MaxBytes)) {
		f.Warn(auditStream, a.Stream, left+fmt.Sprintf("nats stream edit %s --max-bytes=%d", a.Stream, unlimited(a.MaxBytes)), "the stream keeps %d bytes, less than audit.max_bytes", s.MaxBytes)
	}
	if s.Replicas < a.Replicas {
		f.Warn(auditStream, a.Stream, fmt.Sprintf("nats stream edit %s --replicas=%d", a.Stream, a.Replicas), "the stream is stored by %s, and audit.replicas is %d", plural.Count(s.Replicas, "server"), a.Replicas)
	}
}

// checkProtects reports how lines can be removed from a stream, or repeated in it.
func checkProtects(f *finding.List, a *config.Audit, s *jetstream.StreamConfig) {
	if !s.DenyDelete || !s.DenyPurge {
		f.Warn(auditStream, a.Stream, "set deny_delete and deny_purge of the stream; this cannot be taken back", "who may use JetStream of the account can remove single events; usher audit verify finds it")
	}
	if s.Duplicates < duplicates {
		f.Warn(auditStream, a.Stream, "nats stream edit "+a.Stream+" --dupe-window="+age(duplicates), "JetStream knows repeated events for %v only: after an outage some are there twice", s.Duplicates)
	}
}

// duplicates is what an attempt whose acknowledgement was lost may need.
const duplicates = 2 * time.Minute

// checkSpool reports that events of an outage are not kept.
func checkSpool(f *finding.List, a *config.Audit) {
	if a.File == "" {
		f.Warn("audit spool", "", "set audit.file to a path on a disk", "events that wait while JetStream is away are in memory alone: they are lost when usher ends, and above 8,192")
		return
	}
	info, err := os.Stat(a.File)
	if err != nil {
		return // usher serve makes it
	}
	if info.Size() >= int64(a.SpoolBytes)/2 {
		f.Warn("audit spool", a.File, "is JetStream available? a running usher stores what waits as soon as it is", "%d bytes wait to be stored, of audit.spool_bytes %d", info.Size(), a.SpoolBytes)
	}
}

func age(d time.Duration) string {
	if d == 0 {
		return "-1"
	}
	return d.String()
}

func unlimited(n int) int {
	if n == 0 {
		return -1
	}
	return n
}
