package ams

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"reflect"
	"strings"
	"time"
)

// The types below are the responses of AMS, without the fields that usher does not use.

type user struct {
	UUID         string         `json:"uuid"`
	Name         string         `json:"name"`
	Projects     []projectRoles `json:"projects"`
	FirstName    string         `json:"first_name"`
	LastName     string         `json:"last_name"`
	Organization string         `json:"organization"`
	Description  string         `json:"description"`
	Email        string         `json:"email"`
	Token        string         `json:"token"`
	ServiceRoles []string       `json:"service_roles"`
	CreatedOn    string         `json:"created_on"`
	ModifiedOn   string         `json:"modified_on"`
	CreatedBy    string         `json:"created_by"` // a name
}

type projectRoles struct {
	Project string   `json:"project"`
	Roles   []string `json:"roles"`
}

type project struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	CreatedOn   string `json:"created_on"`
	ModifiedOn  string `json:"modified_on"`
}

type topic struct {
	Name      string `json:"name"`
	CreatedOn string `json:"created_on"`
}

type subscription struct {
	Name        string     `json:"name"`
	Topic       string     `json:"topic"`
	Push        pushConfig `json:"pushConfig"`
	AckDeadline int        `json:"ackDeadlineSeconds"`
	CreatedOn   string     `json:"createdOn"`
}

type pushConfig struct {
	Type          string `json:"type"`
	Endpoint      string `json:"pushEndpoint"`
	MaxMessages   int    `json:"maxMessages"`
	Authorization struct {
		Value string `json:"value"`
	} `json:"authorizationHeader"`
	Retry struct {
		Type   string `json:"type"`
		Period int    `json:"period"`
	} `json:"retryPolicy"`
	VerificationHash   string `json:"verificationHash"`
	Verified           bool   `json:"verified"`
	Base64Decode       bool   `json:"base64Decode"`
	MattermostURL      string `json:"mattermostUrl"`
	MattermostUsername string `json:"mattermostUsername"`
	MattermostChannel  string `json:"mattermostChannel"`
}

// acl has one key, which is required. Its value may be null.
type acl map[string][]string

const authorized = "authorized_users"

// page is a page of a list. A file may contain several pages, and a list may be spread
// over several files.
type page struct {
	Users         *[]json.RawMessage `json:"users"`
	Projects      *[]json.RawMessage `json:"projects"`
	Topics        *[]json.RawMessage `json:"topics"`
	Subscriptions *[]json.RawMessage `json:"subscriptions"`
	Next          string             `json:"nextPageToken"`
}

func (p *page) list(name string) *[]json.RawMessage {
	switch name {
	case "users":
		return p.Users
	case "projects":
		return p.Projects
	case "topics":
		return p.Topics
	default:
		return p.Subscriptions
	}
}

// document is one JSON value of a file.
type document struct {
	r     *reader
	where string // "users.json: "
	data  json.RawMessage
}

func (d *document) name() string { return strings.TrimSuffix(d.where, ": ") }

// documents yields the JSON values of the files of one kind, such as users.json and
// users-2.json. It reports a problem if there is no file.
func documents(r *reader, kind string) iter.Seq[*document] {
	return func(yield func(*document) bool) {
		files, err := fs.Glob(r.fsys, kind+"*.json")
		if err != nil || len(files) == 0 {
			r.problem(kind+".json", "docs/how-to/import-ams.md says how to fetch it", "there is no such file")
		}
		for _, name := range files {
			if !r.file(name, yield) {
				return
			}
		}
	}
}

func (r *reader) file(name string, yield func(*document) bool) (more bool) {
	f, err := r.fsys.Open(name)
	if err != nil {
		r.problem(name, "", "cannot be read: %v", cause(err))
		return true
	}
	defer f.Close() //nolint:errcheck // read only
	d := json.NewDecoder(f)
	for n := 1; ; n++ {
		doc := &document{r: r, where: path.Base(name) + ": "}
		if n > 1 {
			doc.where += fmt.Sprintf("value %d: ", n)
		}
		err := d.Decode(&doc.data)
		switch {
		case errors.Is(err, io.EOF) && n == 1:
			r.problem(name, "", "is empty")
			return true
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			r.problem(name, "", "is not JSON after %d bytes", d.InputOffset())
			return true
		}
		if !yield(doc) {
			return false
		}
	}
}

// cause removes the path, because the message begins with it.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// response decodes a response of AMS. It reports a problem if the response is an error.
func (r *reader) response(where string, data []byte, v any) bool {
	var failed struct {
		Error *struct {
			Code   int    `json:"code"`
			Status string `json:"status"`
		} `json:"error"`
	}
	if json.Unmarshal(data, &failed) == nil && failed.Error != nil {
		r.problem(strings.TrimSuffix(where, ": "), "fetch it again", "AMS responded with error %d %s", failed.Error.Code, failed.Error.Status)
		return false
	}
	return r.decode(where, data, v)
}

// decode decodes one value. Its problems quote nothing, because the value contains tokens.
func (r *reader) decode(where string, data []byte, v any) bool {
	err := json.Unmarshal(data, v)
	if err == nil {
		return true
	}
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		r.problem(where, "", "is not JSON")
		return false
	}
	if kind.Field != "" {
		where = strings.TrimSuffix(where, ": ") + sep(where) + kind.Field
	}
	r.problem(strings.TrimSuffix(where, ": "), "", "expected %s", nameOf(kind.Type.Kind()))
	return false
}

// sep separates a path from the file, or from its parent.
func sep(where string) string {
	if strings.HasSuffix(where, ": ") {
		return ": "
	}
	return "."
}

func nameOf(k reflect.Kind) string {
	switch k { //nolint:exhaustive // the others are not read
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}

// items calls f with every entry of the lists of one kind.
func items[T any](r *reader, kind string, f func(where string, item *T)) {
	last := ""
	for doc := range documents(r, kind) {
		var p page
		if !r.response(doc.where, doc.data, &p) {
			continue
		}
		list := p.list(kind)
		if list == nil {
			r.problem(doc.name(), "", "expected an object with %s", kind)
			continue
		}
		if last = ""; p.Next != "" {
			last = doc.name()
		}
		for i, data := range *list {
			var item T
			if where := at(doc.where+kind, i); r.decode(where, data, &item) {
				f(where, &item)
			}
		}
	}
	if last != "" {
		r.problem(last, "fetch it with pageSize=0, or all pages", "is not the last page of %s, and the next one is missing", kind)
	}
}

// time parses a time. AMS writes RFC 3339 in UTC.
func (r *reader) time(where, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.problem(where, "", "expected an RFC 3339 time")
	}
	return t.UTC()
}
