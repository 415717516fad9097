package openapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"usher/api/rest"
	"usher/api/wire"
)

// object is a JSON object.
type object map[string]any

// Document returns the routes as an OpenAPI 3.0 document. version is that of usher.
func Document(routes []rest.Route, version string, in rest.KeyIn) ([]byte, error) {
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
		path[strings.ToLower(rt.Method)] = operation(rt, schemas, security)
	}
	return json.MarshalIndent(object{
		"openapi": "3.0.3",
		"info": object{
			"title": "usher management API", "version": version,
			"description": "Manages the directory of usher. Paths, methods and JSON follow the Argo Messaging Service.",
		},
		"paths": paths,
		"components": object{
			"schemas":         schemas,
			"securitySchemes": schemes,
		},
	}, "", "  ")
}

// securityOf describes where a request may carry its key.
func securityOf(in rest.KeyIn) (security []any, schemes object) {
	schemes = object{}
	add := func(place, name string) {
		schemes[place] = object{"type": "apiKey", "in": place, "name": name}
		security = append(security, object{place: []string{}})
	}
	if in != rest.KeyInQuery {
		add("header", rest.HeaderKey)
	}
	if in != rest.KeyInHeader {
		add("query", rest.QueryKey)
	}
	return security, schemes
}

func operation(r *rest.Route, schemas object, security []any) object {
	group, _, _ := strings.Cut(r.Name, ".")
	failed := object{"description": "The request failed.", "content": content("", errorOf(r), schemas)}
	op := object{
		"operationId": r.Name, "summary": r.Doc, "tags": []string{group},
		"responses": object{strconv.Itoa(http.StatusOK): success(r, schemas), "default": failed},
		"security":  security,
	}
	if p := parameters(r); p != nil {
		op["parameters"] = p
	}
	if r.Access.Open || r.Authenticate != nil { // OpenAPI 3.0 has no client certificates
		op["security"] = []any{}
	}
	if roles := slices.Concat(rest.Strings(r.Access.Service), rest.Strings(r.Access.Project)); len(roles) > 0 {
		op["x-roles"] = roles
	}
	switch {
	case r.Form != nil:
		op["requestBody"] = object{"required": true, "content": form(r.Form)}
	case r.Body != nil || r.BodyType != "":
		op["requestBody"] = object{"required": !r.OptionalBody, "content": content(r.BodyType, r.Body, schemas)}
	}
	return op
}

func errorOf(r *rest.Route) any {
	if r.OAuthErrors {
		return wire.OAuthError{}
	}
	return wire.Error{}
}

func form(fields []rest.Parameter) object {
	properties, names := object{}, []string{}
	for _, f := range fields {
		properties[f.Name] = object{"type": "string", "description": f.Doc}
		names = append(names, f.Name)
	}
	return object{rest.TypeForm: object{"schema": object{"type": "object", "required": names, "properties": properties}}}
}

func parameters(r *rest.Route) (all []any) {
	text := object{"type": "string"}
	add := func(in, name, doc string, schema object) {
		p := object{"in": in, "name": name, "schema": schema}
		if doc != "" {
			p["description"] = doc
		}
		if in == "path" {
			p["required"] = true
		}
		all = append(all, p)
	}
	for _, name := range r.Variables() {
		add("path", name, "", object{"type": "string", "pattern": rest.NameIn(name).String()})
	}
	for _, q := range r.Query {
		add("query", q.Name, q.Doc, text)
	}
	if r.Paged {
		add("query", "pageSize", "Largest number of elements on the page; 0: the whole list.", object{"type": "integer", "minimum": 0})
		add("query", "pageToken", "nextPageToken of the previous page.", text)
	}
	switch {
	case r.ETag && r.Changes():
		add("header", "If-Match", "Makes the change only if the resource still has this ETag.", text)
	case r.ETag:
		add("header", "If-None-Match", "Returns 304 if the resource still has this ETag.", text)
	}
	return all
}

func success(r *rest.Route, schemas object) object {
	response := object{"description": "Success."}
	if r.Response != nil {
		response["content"] = content(r.ResponseType, r.Response, schemas)
	}
	if r.ETag && r.Method != http.MethodDelete {
		response["headers"] = object{"ETag": object{
			"description": "Revision of the resource, and a checksum of its content.", "schema": object{"type": "string"},
		}}
	}
	return response
}

func content(contentType string, value any, schemas object) object {
	if contentType != "" {
		return object{contentType: object{"schema": object{"type": "string"}}}
	}
	return object{"application/json": object{"schema": schema(reflect.TypeOf(value), schemas)}}
}
