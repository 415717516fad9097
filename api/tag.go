package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"usher/directory/snapshot"
)

// view returns a resource as a snapshot has it, with the revision of its entry.
// It shows the same to everybody, since its ETag is made from it.
type view func(s *snapshot.Snapshot) (shown any, revision uint64, ok bool)

// tagOf returns the ETag of a resource: the revision of its entry, and a checksum
// of what is shown. A user's memberships and the names in an ACL are in entries
// of their own; without the checksum they could change under the same tag.
func tagOf(revision uint64, shown any) (string, error) {
	text, err := json.Marshal(shown)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return `"` + strconv.FormatUint(revision, 10) + "-" + hex.EncodeToString(sum[:4]) + `"`, nil
}

// tag is one entity tag of a request (RFC 9110 section 8.8.3).
type tag struct {
	text string // with its quotes
	weak bool
}

// is reports whether the tag, or the revision alone, is that of a resource.
func (t *tag) is(current string) bool {
	revision, _, _ := strings.Cut(current, "-")
	return t.text == current || t.text == revision+`"`
}

var errTags = errors.New(`expected "*", or one or more quoted tags separated by commas`)

// parseTags reads If-Match or If-None-Match. Empty and not any: there is none.
func parseTags(lines []string) (tags []tag, anyOf bool, err error) {
	text := strings.TrimSpace(strings.Join(lines, ","))
	if len(lines) == 0 {
		return nil, false, nil
	}
	if text == "*" {
		return nil, true, nil
	}
	for {
		var t tag
		text = strings.TrimLeft(text, " \t")
		text, t.weak = strings.CutPrefix(text, "W/")
		if !strings.HasPrefix(text, `"`) {
			return nil, false, errTags
		}
		end := strings.IndexByte(text[1:], '"')
		if end < 0 {
			return nil, false, errTags
		}
		t.text, text = text[:end+2], strings.TrimLeft(text[end+2:], " \t")
		if strings.ContainsFunc(t.text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, false, errTags
		}
		tags = append(tags, t)
		if text == "" {
			return tags, false, nil
		}
		var more bool
		if text, more = strings.CutPrefix(text, ","); !more {
			return nil, false, errTags
		}
	}
}

// match checks If-Match against a resource; ok: it is there.
func (c *call) match(what, current string, ok bool) error {
	tags, anyOf, err := parseTags(c.r.Header.Values("If-Match"))
	if err != nil {
		f := invalid("Invalid If-Match header")
		f.details = []string{err.Error()}
		return f
	}
	if len(tags) == 0 && (!anyOf || ok) {
		return nil
	}
	if !ok {
		return conflict("%s doesn't exist, so that it matches no revision", what)
	}
	for _, t := range tags {
		if !t.weak && t.is(current) {
			return nil
		}
	}
	revision, _, _ := strings.Cut(strings.Trim(current, `"`), "-")
	f := conflict("%s has changed; its current revision is %s", what, revision)
	f.header = map[string][]string{"Etag": {current}}
	return f
}

// seen reports whether the client has this already, by If-None-Match. A header
// that cannot be read is as good as none: the answer is complete then.
func (c *call) seen(current string) bool {
	tags, anyOf, err := parseTags(c.r.Header.Values("If-None-Match"))
	if err != nil {
		return false
	}
	for _, t := range tags {
		if t.text == current {
			return true
		}
	}
	return anyOf
}
