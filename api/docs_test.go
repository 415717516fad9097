package api_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/apierror"
	"usher/api/rest"
	"usher/api/wire"
	"usher/callout/callouttest"
)

//go:generate go test -run ^TestDocs$ -count 1 . -args -update

var update = flag.Bool("update", false, "write the tables of docs/reference/api.md")

// The tables in docs/reference/api.md are made from the routing table.
func TestDocs(t *testing.T) {
	callouttest.CheckDocsTable(t, "reference/api.md", "routes", routesDoc()+typesDoc()+statusesDoc(), *update)
}

func routesDoc() string {
	titles := map[string]string{
		"version": "Service", "project": "Projects", "member": "Members", "topic": "Topics",
		"subscription": "Subscriptions", "user": "Users", "key": "Keys of a user", "nkey": "Nkeys of a user", "certificate": "Certificates of a user", "binding": "Bindings of a user", "password": "The password of a user", "push": "Push workers", "session": "Live sessions", "ban": "Bans", "directory": "The whole directory",
		"login": "Login with a client certificate",
	}
	var b strings.Builder
	group := ""
	for _, r := range everyRoute() {
		noun, _, _ := strings.Cut(r.Name, ".")
		if title := titles[noun]; title != "" && title != group {
			group = title
			fmt.Fprintf(&b, "\n### %s\n\n| request | who | body → response | |\n|---|---|---|---|\n", title)
		}
		beyond := ""
		if r.BeyondAMS {
			beyond = " Not in AMS."
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s → %s | %s%s |\n", r.Method, r.Path, whoDoc(&r), typeDoc(r.Body, r.BodyType), typeDoc(r.Response, r.ResponseType), r.Doc, beyond)
	}
	return b.String()
}

func whoDoc(r *rest.Route) string {
	a := &r.Access
	if r.Authenticate != nil {
		return "a client certificate"
	}
	if a.Open {
		return "everybody"
	}
	if a.AnyKey {
		return "any key"
	}
	var roles []string
	for _, r := range a.Service {
		roles = append(roles, string(r))
	}
	for _, r := range a.Project {
		roles = append(roles, string(r))
	}
	return strings.Join(roles, ", ")
}

func everyRoute() []rest.Route { return slices.Concat(api.Routes(), api.X509Routes()) }

func typeDoc(v any, raw string) string {
	switch name := ""; {
	case raw != "":
		return raw
	case v == nil:
		return "–"
	default:
		if name = reflect.TypeOf(v).Name(); name == "RawMessage" {
			return "JSON"
		}
		return name
	}
}

// typesDoc lists the fields of all bodies and responses.
func typesDoc() string {
	var b strings.Builder
	b.WriteString("\n## Types\n\nPackage `usher/api/wire` documents each field. `?`: optional.\n\n| type | fields |\n|---|---|\n")
	seen := map[reflect.Type]bool{reflect.TypeFor[json.RawMessage](): true, reflect.TypeFor[wire.Empty](): true}
	var list func(t reflect.Type)
	list = func(t reflect.Type) {
		for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() || seen[t] {
			return
		}
		seen[t] = true
		fmt.Fprintf(&b, "| %s | %s |\n", t.Name(), strings.Join(fieldsDoc(t), ", "))
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous {
				list(f.Type)
			}
		}
	}
	for _, r := range everyRoute() {
		for _, v := range []any{r.Body, r.Response} {
			if v != nil {
				list(reflect.TypeOf(v))
			}
		}
	}
	return b.String()
}

// basicKinds are the words for kinds of Go.
var basicKinds = map[string]string{"bool": "true/false", "int": "number", "uint64": "number", "string": "text"}

var basicKind = regexp.MustCompile(`\b(bool|int|uint64|string)\b`)

func fieldsDoc(t reflect.Type) []string {
	var fields []string
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options != "" {
			name += "?"
		}
		kind := strings.NewReplacer("*", "", "wire.", "", "time.Time", "time", "interface {}", "any").Replace(f.Type.String())
		kind = basicKind.ReplaceAllStringFunc(kind, func(name string) string { return basicKinds[name] })
		fields = append(fields, "`"+name+"` "+kind)
	}
	return fields
}

func statusesDoc() string {
	var b strings.Builder
	b.WriteString("\n## Errors\n\n```json\n" + `{"error": {"code": 404, "message": "Topic doesn't exist", "status": "NOT_FOUND", "request_id": "4f0c…"}}` +
		"\n```\n\n`errors` is optional: it lists what exactly is wrong. The request id is also in the audit and the log.\n\n| code | status | meaning |\n|---|---|---|\n")
	for _, s := range apierror.Statuses() {
		fmt.Fprintf(&b, "| %d | `%s` | %s |\n", s.Code, s.Name, s.Meaning)
	}
	return b.String()
}
