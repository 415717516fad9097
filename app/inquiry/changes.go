package inquiry

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/app/auditlog"
	"usher/internal/audit"
)

// lag is how far the clocks and the directories of replicas are apart at most. Within it the
// revision says whether a decision knew a change; beyond it, the time. Revisions alone do not
// do: a restored bucket counts from the beginning.
const lag = 10 * time.Minute

// About is what an event depends on in the directory.
type About struct {
	Event    *auditlog.Event
	Projects map[string]bool // of the user, now; true: everything in the project concerns it
}

// Change is a change of the directory, with what it did.
type Change struct {
	Event  *auditlog.Event
	Fields []Field // empty: it made or removed the resource, or the audit does not say
}

// Field is one field of a resource, before and after a change. It is absent if it is nil.
type Field struct {
	Name   string          `json:"name"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// ChangesSince returns the changes, the oldest first, that concern an event and that it did
// not know.
func ChangesSince(ctx context.Context, s auditlog.Source, a *About) ([]Change, error) {
	var all []Change
	f := &auditlog.Filter{Kinds: []string{KindChange}, Since: a.Event.Time.Add(-lag)}
	err := auditlog.Search(ctx, s, f, func(e *auditlog.Event) error {
		if a.isNews(e) && a.concerns(e) {
			all = append(all, Change{e, fieldsOf(e)})
		}
		return nil
	})
	slices.SortStableFunc(all, func(x, y Change) int { return x.Event.Time.Compare(y.Event.Time) })
	return all, err
}

// isNews reports whether a change came after the event.
func (a *About) isNews(e *auditlog.Event) bool {
	if e.Outcome == string(audit.Refused) || e.RequestID == a.Event.RequestID {
		return false
	}
	then := a.Event.DirectoryRevision
	if a.Event.Kind == KindChange {
		then = a.Event.Revision
	}
	if then == 0 || e.Revision == 0 || e.Time.Sub(a.Event.Time).Abs() > lag {
		return e.Time.After(a.Event.Time)
	}
	return e.Revision > then
}

// concerns reports whether a change is about something that the event depends on.
func (a *About) concerns(e *auditlog.Event) bool {
	if a.Event.Kind == KindChange {
		return within(e.Resource, a.Event.Resource)
	}
	user := a.Event.User
	switch {
	case user == "", within(e.Resource, "/sessions"):
		return false
	case within(e.Resource, "/directory"): // an import can change everything
		return true
	case within(e.Resource, "/users/"+user), mentions(e.Before, user), mentions(e.After, user):
		return true
	}
	rest, ok := strings.CutPrefix(e.Resource, "/projects/")
	if !ok {
		return false
	}
	project, part, _ := strings.Cut(rest, "/")
	everything, member := a.Projects[project]
	kind, name, _ := strings.Cut(part, "/")
	switch kind {
	case "":
		return member
	case "members":
		return name == user
	default: // the line of a removal does not name who was in the ACL
		return everything || member && len(e.After) == 0
	}
}

// within reports whether a path is the other one, or below it.
func within(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == '/')
}

// mentions reports whether a text is one of the values in a JSON value, other than that of
// who made the resource.
func mentions(value json.RawMessage, text string) bool {
	if !bytes.Contains(value, []byte(text)) {
		return false
	}
	var v any
	return json.Unmarshal(value, &v) == nil && hasText(v, text)
}

func hasText(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return hasText(x, text) })
	case map[string]any:
		for name, x := range v {
			if name != "created_by" && name != "by" && hasText(x, text) {
				return true
			}
		}
	}
	return false
}

// fieldsOf returns the fields that a change has given other values.
func fieldsOf(e *auditlog.Event) []Field {
	var before, after map[string]json.RawMessage
	if len(e.Before) == 0 || len(e.After) == 0 || json.Unmarshal(e.Before, &before) != nil || json.Unmarshal(e.After, &after) != nil {
		return nil
	}
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, ok := before[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var fields []Field
	for _, name := range names {
		if name != "modified_on" && !bytes.Equal(before[name], after[name]) {
			fields = append(fields, Field{name, before[name], after[name]})
		}
	}
	return fields
}
