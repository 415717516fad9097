package api

import (
	"errors"
	"regexp"

	"usher/directory"
	"usher/secret"
)

var errKey = errors.New("a key of somebody stands where no key belongs: replace it")

// foreign is how keys look that came from AMS.
var foreign = regexp.MustCompile(`[0-9A-Fa-f]+`)

const foreignLength = 64

// hideForeign hides in a text what is a key of somebody and does not look like one
// of usher's.
func hideForeign(s *directory.Snapshot, text string) string {
	if s == nil || len(text) < foreignLength {
		return text
	}
	return foreign.ReplaceAllStringFunc(text, func(run string) string {
		if len(run) == foreignLength {
			if _, ok := s.LookupKey(directory.DigestOf(run)); ok {
				return secret.Hidden
			}
		}
		return run
	})
}

// redact returns a text without secrets, for answer, log and audit.
func (c *call) redact(text string) string { return hideForeign(c.snapshot, secret.Redact(text)) }

// holdsKey reports whether somebody's key stands in a text that does not look like
// one of usher's.
func (c *call) holdsKey(text string) bool { return hideForeign(c.snapshot, text) != text }
