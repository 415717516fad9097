package client_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"usher/api/client"
	"usher/api/wire"
)

func TestExport(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.RequestURI() != "GET /v1/directory:export" || r.Header.Get("x-api-key") != testKey {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, "users: []\n")
	})
	var text strings.Builder
	if err := c.Export(t.Context(), &text); err != nil || text.String() != "users: []\n" {
		t.Errorf("got %q, %v", text.String(), err)
	}
	refuses := serve(t, respond(http.StatusForbidden, `{"error":{"code":403,"message":"Access to this resource is forbidden","status":"FORBIDDEN"}}`))
	var e *client.Error
	if err := refuses.Export(t.Context(), &text); !errors.As(err, &e) || !e.Denied() {
		t.Errorf("got %v", err)
	}
}

func TestImport(t *testing.T) {
	requests := make(chan string, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("Content-Type") + " " + string(body)
		_, _ = io.WriteString(w, `{"done":1000,"total":1500}`+"\n"+`{"done":1500,"total":1500}`+"\n"+`{"result":{"dry_run":false,"entries":1500}}`+"\n")
	})
	for want, o := range map[string]client.ImportOptions{
		"POST /v1/directory:import?mode=merge application/yaml users: []":                           {},
		"POST /v1/directory:import?account=APP&dryRun=true&mode=replace application/yaml users: []": {Replace: true, DryRun: true, Account: "APP"},
	} {
		var done []int
		result, err := c.Import(t.Context(), []byte("users: []"), o, func(l *wire.ImportLine) { done = append(done, l.Done) })
		if got := <-requests; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if err != nil || result.Entries != 1500 || !slices.Equal(done, []int{1000, 1500}) {
			t.Errorf("got %+v, %v, %v", result, done, err)
		}
	}
}

func TestImportErrors(t *testing.T) {
	for text, want := range map[string]struct {
		is   error // nil: a *client.Error
		text string
	}{
		`{"done":1,"total":2}` + "\n" + `{"error":{"code":503,"message":"The directory cannot be reached now","status":"UNAVAILABLE","errors":["1 of 2"],"request_id":"r7"}}`: {nil, "The directory cannot be reached now; 1 of 2 (503 UNAVAILABLE, request r7)"},
		`{"done":1,"total":2}`: {client.ErrOutcomeUnknown, "its last line is missing"},
		"":                     {client.ErrOutcomeUnknown, "its last line is missing"},
		"<html>":               {client.ErrResponse, "not JSON"},
		`{"diff":"` + strings.Repeat("x", 2<<20) + `"}` + "\n": {client.ErrOutcomeUnknown, "too long"},
	} {
		c := serve(t, respond(http.StatusOK, text))
		_, err := c.Import(t.Context(), []byte("users: []"), client.ImportOptions{}, func(*wire.ImportLine) {})
		var e *client.Error
		if want.is == nil && !errors.As(err, &e) || want.is != nil && !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%.40s: got %v", text, err)
		}
		if _, err := c.Import(t.Context(), nil, client.ImportOptions{DryRun: true}, func(*wire.ImportLine) {}); errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("a dry run: got %v", err)
		}
	}
	c := serve(t, respond(http.StatusBadRequest, `{"error":{"code":400,"message":"Invalid Directory Arguments","status":"INVALID_ARGUMENT","errors":["body:2:3: users[0].nam: unknown key"]}}`))
	if _, err := c.Import(t.Context(), nil, client.ImportOptions{}, nil); err == nil || !strings.Contains(err.Error(), "body:2:3: users[0].nam") {
		t.Errorf("got %v", err)
	}
}
