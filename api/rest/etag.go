package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"usher/api/apierror"
	"usher/directory/snapshot"
)

// View returns a resource as a snapshot contains it, with the revision of its entry. It
// returns the same for every caller, because the ETag is computed from it.
type View func(s *snapshot.Snapshot) (shown any, revision uint64, ok bool)

// etagOf returns the ETag of a resource: the revision of its entry, and a checksum of its
// JSON. The checksum is needed because other entries contribute to a resource, such as
// the memberships of a user and the names in an ACL.
func etagOf(revision uint64, shown any) (string, error) {
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

// matches reports whether the tag is the current ETag, or its revision alone.
func (t *tag) matches(current string) bool {
	revision, _, _ := strings.Cut(current, "-")
	return t.text == current || t.text == revision+`"`
}

var errTags = errors.New(`expected "*", or one or more quoted tags separated by commas`)

// parseTags parses If-Match or If-None-Match. wildcard is set for "*". Without a header
// it returns neither tags nor wildcard.
func parseTags(lines []string) (tags []tag, wildcard bool, err error) {
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

// checkIfMatch checks If-Match against a resource with the ETag current. exists says
// whether there is such a resource.
func (r *Request) checkIfMatch(kind apierror.Kind, current string, exists bool) error {
	tags, wildcard, err := parseTags(r.HTTP.Header.Values("If-Match"))
	if err != nil {
		return apierror.Invalid("Invalid If-Match header").WithDetails(err.Error())
	}
	if len(tags) == 0 && (!wildcard || exists) {
		return nil
	}
	if !exists {
		return apierror.Conflict("%s doesn't exist, so If-Match does not match", kind)
	}
	for _, t := range tags {
		if !t.weak && t.matches(current) {
			return nil
		}
	}
	revision, _, _ := strings.Cut(strings.Trim(current, `"`), "-")
	return apierror.Conflict("%s has changed; its current revision is %s", kind, revision).WithHeader("ETag", current)
}

// notModified reports whether If-None-Match names the ETag current. An invalid header is
// ignored: the client then receives the whole resource.
func (r *Request) notModified(current string) bool {
	tags, wildcard, err := parseTags(r.HTTP.Header.Values("If-None-Match"))
	if err != nil {
		return false
	}
	for _, t := range tags {
		if t.text == current {
			return true
		}
	}
	return wildcard
}
