package inquiry

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"usher/app/auditlog"
	"usher/internal/audit/chain"
	"usher/internal/secret"
)

// LogLine is one line of usher's log.
type LogLine struct {
	Source  string    `json:"source"` // name of the file
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
	Fields  []Pair    `json:"fields,omitempty"` // in the order of the line, without the request id
}

// Pair is one name and value of a line.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// maxLine bounds the length of a line of a log. Longer ones are not usher's.
const maxLine = 1 << 20

// ReadLog reads a log, and returns the lines about the request. It skips what usher has not
// written. Where audit.to is stderr, the log has the events of the audit as well: they are
// added to the trail.
func (t *Trail) ReadLog(name string, r io.Reader) ([]LogLine, error) {
	var found []LogLine
	in := bufio.NewReaderSize(r, maxLine)
	for n := uint64(1); ; n++ {
		line, err := in.ReadSlice('\n')
		for long := errors.Is(err, bufio.ErrBufferFull); long; long = errors.Is(err, bufio.ErrBufferFull) {
			line = nil
			_, err = in.ReadSlice('\n')
		}
		if bytes.Contains(line, []byte(t.ID)) {
			if l, ok := parseLine(string(bytes.TrimSpace(line))); !ok {
				t.add(line, chain.Place{Source: name, N: n})
			} else if l.isAbout(t.ID) {
				l.Source = name
				found = append(found, *l)
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			t.sort()
			return found, err
		}
	}
}

// add adds an event of the audit that is about the request, unless it is there.
func (t *Trail) add(line []byte, at chain.Place) {
	start := bytes.IndexByte(line, '{')
	if start < 0 {
		return
	}
	e, ok := auditlog.Parse(bytes.Clone(bytes.TrimSpace(line[start:])), at)
	if !ok || isLog(e) || !t.filter(time.Time{}).Match(e) {
		return
	}
	for _, other := range t.Events {
		if bytes.Equal(other.Text, e.Text) {
			return
		}
	}
	t.Events = append(t.Events, e)
}

// isAbout removes the request id from a line. ok: it was that of the request.
func (l *LogLine) isAbout(id string) bool {
	for i, p := range l.Fields {
		if p.Name == "request_id" && p.Value == id {
			l.Fields = append(l.Fields[:i], l.Fields[i+1:]...)
			return true
		}
	}
	return false
}

// parseLine reads a line of package log/slog, as JSON or as text. What comes before it, such
// as the name of a container, is skipped.
func parseLine(line string) (*LogLine, bool) {
	var pairs []Pair
	if start := strings.IndexByte(line, '{'); start >= 0 {
		pairs = jsonPairs(line[start:])
	}
	if start := strings.Index(line, "time="); pairs == nil && start >= 0 {
		pairs = textPairs(line[start:])
	}
	l := &LogLine{}
	for _, p := range pairs {
		switch {
		case p.Name == "time" && l.Time.IsZero():
			l.Time, _ = time.Parse(time.RFC3339Nano, p.Value)
		case p.Name == "level" && l.Level == "":
			l.Level = p.Value
		case p.Name == "msg" && l.Message == "":
			l.Message = secret.RedactDetected(p.Value)
		default:
			l.Fields = append(l.Fields, Pair{p.Name, secret.RedactDetected(p.Value)})
		}
	}
	return l, !l.Time.IsZero() && l.Level != "" && l.Message != ""
}

// textPairs reads name=value pairs, as slog.TextHandler writes them. nil: it is something else.
func textPairs(line string) []Pair {
	var pairs []Pair
	for line != "" {
		name, rest, ok := strings.Cut(line, "=")
		if !ok {
			return nil
		}
		name, err := unquoted(name)
		if err != nil {
			return nil
		}
		var value string
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
			value, rest = quoted, rest[len(quoted):]
		} else {
			value, _, _ = strings.Cut(rest, " ")
			rest = rest[len(value):]
		}
		if value, err = unquoted(value); err != nil {
			return nil
		}
		pairs = append(pairs, Pair{name, value})
		line = strings.TrimPrefix(rest, " ")
	}
	return pairs
}

func unquoted(text string) (string, error) {
	if strings.HasPrefix(text, `"`) {
		return strconv.Unquote(text)
	}
	return text, nil
}

// jsonPairs reads the members of a JSON object, in their order. nil: it is something else.
func jsonPairs(line string) []Pair {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var pairs []Pair
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil
		}
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil && text != "null" {
			text = s
		}
		pairs = append(pairs, Pair{name.(string), text})
	}
	return pairs
}
