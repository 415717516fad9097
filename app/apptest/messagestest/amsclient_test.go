package messagestest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"usher/app/apptest/messagestest"
	"usher/callout/callouttest"
	"usher/directory"
)

// sequence is what AMS's Python client sends for some of its methods, one request after the
// other, and what it needs of the answers. The files in testdata/ams-client are sequences.
type sequence struct {
	Doc     string            // which methods
	Headers map[string]string // of each request; Steps have others
	Steps   []step
}

// step is one request, or a loop. Texts may have ${variables}.
type step struct {
	Doc     string
	Method  string
	Path    string
	Headers map[string]string
	Body    string
	Message string // is repeated Batch times for ${messages} in Body; ${n} counts from 1
	Batch   int
	Status  int
	Shape   any               // see shape
	Save    map[string]string // variables, by where the answer has their values: see save
	// Receiver is what the endpoint of pushes answers from now on to who asks for its hash. The
	// step is no request.
	Receiver string

	Loop  []step // is repeated until the list Until has Count different values
	Until string
	Count int
}

// player plays sequences against an usher.
type player struct {
	*messagestest.Site
	receiver *receiver
	texts    map[string]string   // variables
	lists    map[string][]string // variables that are lists
	last     int                 // the number of the last message of a batch
	headers  map[string]string
}

// The request sequences of AMS's Python client get from a whole usher what the client needs:
// it sends no Content-Type, takes only status 200 for success, and wants error.message of
// everything else.
func TestAMSClient(t *testing.T) {
	t.Parallel()
	for name, operator := range map[string]bool{"config mode": false, "operator mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t)
			s := messagestest.Start(t, messagestest.Config{Operator: operator, Change: r.allow(t, t.TempDir()+"/receiver.pem")})
			s.Project(t, "shop")
			p := &player{Site: s, receiver: r, lists: map[string][]string{}, texts: map[string]string{
				"root": s.AdminKey(), "endpoint": r.URL + "/in",
				"boss": s.Member(t, "shop", "boss", directory.RoleProjectAdmin),
				"pub":  s.Member(t, "shop", "pub", directory.RolePublisher),
				"con":  s.Member(t, "shop", "con", directory.RoleConsumer),
				"big":  base64.StdEncoding.EncodeToString(make([]byte, 2<<20)),
			}}
			files, err := fs.Glob(os.DirFS("testdata/ams-client"), "*.json") // sorted
			callouttest.Must(t, err)
			if len(files) < 8 {
				t.Errorf("%d sequences", len(files))
			}
			for _, file := range files {
				p.play(t, path.Join("testdata/ams-client", file))
			}
		})
	}
}

func (p *player) play(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	callouttest.Must(t, err)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var s sequence
	if err := d.Decode(&s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	p.headers = s.Headers
	for i := range s.Steps {
		p.step(t, fmt.Sprintf("%s, step %d", file, i+1), &s.Steps[i])
	}
}

func (p *player) step(t *testing.T, where string, s *step) {
	t.Helper()
	switch {
	case s.Loop != nil:
		callouttest.Eventually(t, fmt.Sprintf("%s: %d of %s have come", where, s.Count, s.Until), func() bool {
			for i := range s.Loop {
				p.step(t, fmt.Sprintf("%s.%d", where, i+1), &s.Loop[i])
			}
			different := map[string]bool{}
			for _, v := range p.lists[s.Until] {
				different[v] = true
			}
			return len(different) >= s.Count
		})
	case s.Receiver != "":
		p.receiver.mu.Lock()
		defer p.receiver.mu.Unlock()
		p.receiver.hash = p.expand(t, s.Receiver)
	default:
		p.request(t, where, s)
	}
}

var placeholder = regexp.MustCompile(`\$\{(\w+)\}`)

// expand puts values in place of variables. A list becomes JSON.
func (p *player) expand(t *testing.T, text string) string {
	t.Helper()
	return placeholder.ReplaceAllStringFunc(text, func(v string) string {
		name := v[2 : len(v)-1]
		if text, ok := p.texts[name]; ok {
			return text
		}
		list, ok := p.lists[name]
		if !ok {
			t.Fatalf("%s is not set", v)
		}
		b, err := json.Marshal(list)
		callouttest.Must(t, err)
		return string(b)
	})
}

func (p *player) request(t *testing.T, where string, s *step) {
	t.Helper()
	if s.Batch > 0 {
		all := make([]string, s.Batch)
		for i := range all {
			p.last++
			p.texts["n"] = strconv.Itoa(p.last)
			all[i] = p.expand(t, s.Message)
		}
		p.texts["messages"] = strings.Join(all, ", ")
	}
	r, err := http.NewRequestWithContext(t.Context(), s.Method, p.Server.APIURL()+p.expand(t, s.Path), strings.NewReader(p.expand(t, s.Body)))
	callouttest.Must(t, err)
	for _, headers := range []map[string]string{p.headers, s.Headers} {
		for name, value := range headers {
			r.Header.Set(name, p.expand(t, value))
		}
	}
	response, err := http.DefaultClient.Do(r)
	callouttest.Must(t, err)
	defer response.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(response.Body)
	callouttest.Must(t, err)
	if response.StatusCode != s.Status {
		t.Fatalf("%s: %s %s: %d %s, expected %d", where, s.Method, s.Path, response.StatusCode, text, s.Status)
	}
	if response.StatusCode != http.StatusOK {
		checkError(t, response.StatusCode, string(text))
	}
	var got any = map[string]any{} // what the client makes of an empty body
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %s %s: %s is no JSON: %v", where, s.Method, s.Path, text, err)
		}
	}
	if s.Shape != nil {
		for _, problem := range p.mismatches(t, "", s.Shape, got) {
			t.Errorf("%s: %s %s: %s\n%s", where, s.Method, s.Path, problem, text)
		}
	}
	for name, from := range s.Save {
		p.save(t, name, from, got)
	}
}
