package keyset

import (
	"encoding/json"
	"time"

	"usher/internal/atomicfile"
	"usher/internal/ownedfile"
	"usher/internal/strictjson"
)

// Cache is a file with the last good set, for a start while the authority is out of
// reach.
type Cache struct {
	Path   string
	Issuer string        // the set of another issuer is not used
	MaxAge time.Duration // nor one that is older
}

// cached is the content of the file.
type cached struct {
	Issuer  string          `json:"issuer"`
	Fetched time.Time       `json:"fetched"`
	AsOf    time.Time       `json:"as_of"`
	KeySet  json.RawMessage `json:"key_set"`
}

// load returns the set, or nil if there is none that may be used. The fetch that follows
// replaces whatever is there. A nil Cache has none.
func (c *Cache) load(now time.Time) *state {
	if c == nil {
		return nil
	}
	text, _, err := ownedfile.Read(c.Path, ownedfile.Rule{Max: 2 * maxDocument})
	if err != nil {
		return nil
	}
	var content cached
	if strictjson.Decode(text, &content) != nil || content.Issuer != c.Issuer {
		return nil
	}
	if content.Fetched.After(now) || content.AsOf.After(now) || c.MaxAge > 0 && now.Sub(content.Fetched) > c.MaxAge {
		return nil
	}
	set, err := Parse(content.KeySet)
	if err != nil {
		return nil
	}
	return &state{set: set, fetched: content.Fetched, asOf: content.AsOf}
}

// save replaces the file.
func (c *Cache) save(document []byte, fetched, asOf time.Time) error {
	if c == nil {
		return nil
	}
	text, err := json.Marshal(cached{Issuer: c.Issuer, Fetched: fetched, AsOf: asOf, KeySet: document})
	if err != nil {
		return err
	}
	return atomicfile.Write(c.Path, append(text, '\n'), 0o600, nil)
}
