package api_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"usher/api"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

// bodiesWith returns a body for each string field of a type, at any depth, with text in
// that field, and one with text in an unknown field.
func bodiesWith(t *testing.T, typ reflect.Type, text string) []string {
	t.Helper()
	quoted, err := json.Marshal(text)
	callouttest.Must(t, err)
	var values func(typ reflect.Type, depth int) []string
	values = func(typ reflect.Type, depth int) []string {
		var out []string
		switch typ.Kind() { //nolint:exhaustive // the other kinds take no text
		case reflect.Pointer:
			return values(typ.Elem(), depth)
		case reflect.Slice:
			for _, v := range values(typ.Elem(), depth) {
				out = append(out, "["+v+"]")
			}
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if name == "" && f.Anonymous {
					out = append(out, values(f.Type, depth)...)
				}
				if name == "" || name == "-" || depth == 0 {
					continue
				}
				for _, v := range values(f.Type, depth-1) {
					out = append(out, `{"`+name+`":`+v+`}`)
				}
			}
			out = append(out, "{"+string(quoted)+":1}")
		default:
			out = []string{string(quoted)}
		}
		return out
	}
	return append(values(typ, 4), string(quoted), "{"+string(quoted))
}

// A key in any part of a request appears in no response, log line or audit entry.
//
// Attack: a key in a name, a body or a header of a request appears in responses, log or audit
// Held by: responses, log and audit of the API go through one filter, which knows the presented key and the shape of keys
func TestKeyInAnyField(t *testing.T) {
	s := start(t, nil, nil)
	s.keys["own"] = "correct-horse-battery-staple" // a key of root with an unusual shape
	s.keys["foreign"] = "5f2a90c1e7b34d86a1c0f9d27be8430516de72f4890ab3c5d1e6f7082b4c9da3"
	for name, user := range map[string]string{"own": "root", "foreign": "pub"} {
		_, err := s.store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
			return directory.Put(directory.KeyKey(idsOf(user)[0], name), &directory.Key{Digest: directory.DigestOf(s.keys[name])}), nil
		})
		callouttest.Must(t, err)
	}
	if got := s.as("own", "GET", "/v1/users/profile", ""); got.code != 200 {
		t.Fatalf("the unusual key is not accepted: %d", got.code)
	}
	sent := 0
	for i, key := range []string{s.keys["own"], s.keys["foreign"], s.keys["root"], s.keys["con"]} {
		forms := []string{key}
		if i < 2 { // one key of the caller, one of another user
			forms = append(forms, "my-"+key, key[:len(key)-4])
		}
		for _, form := range forms {
			for _, rt := range api.Routes() {
				if rt.Access.Open {
					continue
				}
				bodies := []string{""}
				if rt.Body != nil {
					bodies = bodiesWith(t, reflect.TypeOf(rt.Body), form)
				}
				existing := strings.NewReplacer("{project}", "none", "{user}", "none", "{topic}", "none", "{subscription}", "none", "{key}", "none", "{uuid}", "none", "{session}", "N:1", "{ban}", "none").Replace(rt.Path)
				in := strings.NewReplacer("{project}", "shop", "{user}", "pub", "{topic}", "orders", "{subscription}", "billing", "{key}", "none", "{uuid}", "none", "{session}", "N:1", "{ban}", "none").Replace(rt.Path)
				paths := []string{existing + "?page_token=" + url.QueryEscape(form), existing + "?" + url.QueryEscape(form) + "=1"}
				if rt.Method != "DELETE" {
					paths = append(paths, in)
				}
				for _, name := range rt.Variables() {
					at := strings.Replace(rt.Path, "{"+name+"}", url.PathEscape(form), 1)
					paths = append(paths, strings.NewReplacer("{project}", "shop", "{user}", "pub", "{topic}", "orders", "{subscription}", "billing", "{key}", "none", "{uuid}", "none", "{session}", "N:1", "{ban}", "none").Replace(at))
				}
				for n, path := range paths {
					for m, body := range bodies {
						if n > 0 && m > 0 && path != in {
							break // all bodies with the path in, one body with each other path
						}
						s.as("own", rt.Method, path, body, "X-Request-Id", form, "If-Match", `"`+form+`"`, "User-Agent", form, "Content-Type", form)
						s.as("own", rt.Method, path, body)
						sent++
					}
				}
			}
		}
	}
	if sent < 500 || len(s.changes()) < 500 {
		t.Fatalf("only %d requests, %d in the audit", sent, len(s.changes()))
	}
	if got := s.as("own", "GET", "/v1/users/profile", ""); got.code != 200 {
		t.Errorf("the key does not work any more: %d", got.code)
	}
	delete(s.keys, "expired")
	for who, key := range s.keys {
		for _, part := range []string{key, key[len(key)-12:]} {
			for _, text := range append(s.responses, s.logged()) {
				if strings.Contains(text, part) {
					for line := range strings.Lines(text) {
						if strings.Contains(line, part) {
							t.Fatalf("a part of the key of %s is shown: %s", who, line)
						}
					}
				}
			}
		}
	}
	s.noSecrets()
}
