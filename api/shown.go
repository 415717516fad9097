package api

import (
	"errors"
	"strings"

	"usher/directory"
	"usher/internal/secret"
)

var errKey = errors.New("a key of somebody stands where no key belongs: replace it")

// Sizes of what is shown of a text, in bytes.
const (
	maxTheirID = 64   // an id that the client gave its request
	maxMessage = 4096 // one line of an answer
	minKey     = 8    // what is shorter stands in texts for other reasons
)

// shown is what may be shown of a text, in answer, log and audit: every text of a
// request goes through here.
func (c *call) shown(text string, limit int) string {
	return secret.NewFilter(c.key).Text(text, limit)
}

// holdsKey reports whether a key stands in a text that is to be kept: the one that
// was presented, or somebody's that came from AMS, which does not look like one of
// usher's.
func (c *call) holdsKey(text string) bool {
	held := len(c.key) >= minKey && !secret.Suspect(c.key) && strings.Contains(text, c.key) // one of usher's is found where it stands
	secret.AMSKeys(text, func(key string) {
		if c.snapshot != nil {
			_, known := c.snapshot.LookupKey(directory.DigestOf(key))
			held = held || known
		}
	})
	return held
}
