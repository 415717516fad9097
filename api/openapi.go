package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/api/wire"
)

// object is a JSON object that is being put together.
type object map[string]any

// openAPI returns the table as an OpenAPI 3.0 document.
func openAPI(routes []Route, version string, in KeyIn) ([]byte, error) {
	security, schemes := securityOf(in)
	schemas := object{}
	paths := object{}
	for i := range routes {
		rt := &routes[i]
		path, ok := paths[rt.Path].(object)
		if !ok {
			path = object{}
			paths[rt.Path] = path
		}
		path[strings.ToLower(rt.Method)] = rt.operation(schemas, security)
	}
	return json.MarshalIndent(object{
		"openapi": "3.0.3",
		"info":    object{"title": "usher management API", "version": version, "description": "In the shape of the Argo Messaging Service."},
		"paths":   paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": schemes,
		},
	}, "", "  ")
}

// securityOf describes where a key may be.
func securityOf(in KeyIn) (security []any, schemes object) {
	schemes = object{}
	add := func(place, name string) {
		schemes[place] = object{"type": "apiKey", "in": place, "name": name}
		security = append(security, object{place: []string{}})
	}
	if in != KeyInQuery {
		add("header", HeaderKey)
	}
	if in != KeyInHeader {
		add("query", QueryKey)
	}
	return security, schemes
}

func (r *Route) operation(schemas object, security []any) object {
	group, _, _ := strings.Cut(r.Name, ".")
	text := object{"type": "string"}
	var parameters []any
	parameter := func(in, name, doc string, schema object, required bool) {
		p := object{"in": in, "name": name, "schema": schema}
		if doc != "" {
			p["description"] = doc
		}
		if required {
			p["required"] = true
		}
		parameters = append(parameters, p)
	}
	for _, name := range r.Variables() {
		parameter("path", name, "", object{"type": "string", "pattern": pathName.String()}, true)
	}
	for _, q := range r.Query {
		parameter("query", q.Name, q.Doc, text, false)
	}
	if r.Paged {
		parameter("query", "pageSize", "How many at most; 0: all.", object{"type": "integer", "minimum": 0}, false)
		parameter("query", "pageToken", "nextPageToken of the page before.", text, false)
	}
	if r.Tagged {
		if r.Changes() {
			parameter("header", "If-Match", "Only if the ETag is still this one.", text, false)
		} else {
			parameter("header", "If-None-Match", "Only if the ETag is another one.", text, false)
		}
	}
	done := object{"description": "Done."}
	if r.Answer != nil {
		done["content"] = content(r.Gives, r.Answer, schemas)
	}
	if r.Tagged && r.Method != http.MethodDelete {
		done["headers"] = object{"ETag": object{"description": "Revision and checksum.", "schema": text}}
	}
	failed := object{"description": "Not done.", "content": content("", wire.Error{}, schemas)}
	op := object{
		"operationId": r.Name, "summary": r.Doc, "tags": []string{group},
		"responses": object{strconv.Itoa(http.StatusOK): done, "default": failed},
		"security":  security,
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if r.Access.Open {
		op["security"] = []any{}
	}
	if roles := slices.Concat(texts(r.Access.Service), texts(r.Access.Project)); len(roles) > 0 {
		op["x-roles"] = roles
	}
	if r.Request != nil || r.Takes != "" {
		op["requestBody"] = object{"required": !r.NoBody, "content": content(r.Takes, r.Request, schemas)}
	}
	return op
}

func content(typ string, value any, schemas object) object {
	if typ != "" {
		return object{typ: object{"schema": object{"type": "string"}}}
	}
	return object{"application/json": object{"schema": schema(reflect.TypeOf(value), schemas)}}
}

// schema describes a type of package wire; its structs go into schemas.
func schema(t reflect.Type, schemas object) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{"type": "object"}
	}
	switch t.Kind() { //nolint:exhaustive // what package wire does not use is an object of any kind
	case reflect.Pointer:
		return schema(t.Elem(), schemas)
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Slice:
		return object{"type": "array", "items": schema(t.Elem(), schemas)}
	case reflect.Struct:
		if _, ok := schemas[t.Name()]; !ok {
			s := object{"type": "object"}
			schemas[t.Name()] = s
			properties, required := object{}, []string{}
			fields(t, properties, &required, schemas)
			s["properties"] = properties
			if len(required) > 0 && t != reflect.TypeFor[wire.PushConfig]() { // a request states a part of that one
				s["required"] = required
			}
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	default:
		return object{"type": "object"}
	}
}

func fields(t reflect.Type, properties object, required *[]string, schemas object) {
	for f := range fieldsOf(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			fields(f.Type, properties, required, schemas)
			continue
		}
		properties[name] = schema(f.Type, schemas)
		if options == "" {
			*required = append(*required, name)
		}
	}
}

func fieldsOf(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
