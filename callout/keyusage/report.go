package keyusage

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"usher/issuer"
)

// Report says which keys one running usher has, and how often servers use them, and what it
// knows of live sessions.
// It contains no secret.
type Report struct {
	Instance string    `json:"instance"` // random; differs for each process
	Host     string    `json:"host,omitempty"`
	Started  time.Time `json:"started"`
	Keys     []KeyUse  `json:"keys"`               // every key of the keyring, and other keys that servers requested (bounded)
	Sessions *Sessions `json:"sessions,omitempty"` // nil: it does not say
	// Sealed is how many values in the directory only one signing key can open, by its public
	// key: such a key must not be retired.
	Sealed map[string]int `json:"sealed,omitempty"`
}

// KeyUse says how often servers use one key. It counts the requests whose server
// expects an issuer, the requests that an xkey opened, and the answers in which a
// signing key signed the response or the user JWT. A request whose server is not
// verified does not count.
type KeyUse struct {
	PublicKey string          `json:"public_key"`
	Kind      string          `json:"kind,omitempty"`
	State     issuer.KeyState `json:"state,omitempty"` // empty: not in the keyring
	Account   string          `json:"account,omitempty"`
	Scope     string          `json:"scope,omitempty"`
	LastHour  uint64          `json:"last_hour"`         // requests in the current minute and the 59 before it
	Last      *time.Time      `json:"last,omitempty"`    // in whole seconds; nil: never since the start
	Servers   []ServerUse     `json:"servers,omitempty"` // since the start, most recent first (bounded)
}

// ServerUse says when a server used a key last.
type ServerUse struct {
	ID   string    `json:"id"`
	Name string    `json:"name"`
	Last time.Time `json:"last"`
}

// Key returns the entry of a public key, or nil.
func (r *Report) Key(public string) *KeyUse { return find(r.Keys, public) }

func find(keys []KeyUse, public string) *KeyUse {
	for i := range keys {
		if keys[i].PublicKey == public {
			return &keys[i]
		}
	}
	return nil
}

// Name returns a short name for people: the end of the instance, and its host.
func (r *Report) Name() string {
	short := r.Instance[max(0, len(r.Instance)-8):]
	if r.Host == "" {
		return short
	}
	return short + " on " + r.Host
}

// MaxServers is how many servers the keys of one report list together.
const MaxServers = 2048

// Keys returns the use of every key of a keyring, followed by the other keys that
// servers requested. Together they list at most maxServers servers; long lists are
// cut before short ones.
func (c *Counter) Keys(keyring *issuer.Keyring, now time.Time, maxServers int) []KeyUse {
	counters := *c.keys.Load()
	keys := []KeyUse{}
	for _, k := range keyring.Keys() {
		keys = append(keys, KeyUse{PublicKey: k.PublicKey, Kind: k.Kind, State: k.State, Account: k.Account, Scope: k.Scope})
	}
	for _, public := range slices.Sorted(maps.Keys(counters)) {
		if find(keys, public) == nil {
			keys = append(keys, KeyUse{PublicKey: public})
		}
	}
	lengths := make([]int, len(keys))
	for i := range keys {
		if k := counters[keys[i].PublicKey]; k != nil {
			keys[i].fill(k, now)
		}
		lengths[i] = len(keys[i].Servers)
	}
	limit := fairShare(lengths, maxServers)
	for i := range keys {
		keys[i].Servers = keys[i].Servers[:min(limit, lengths[i])]
	}
	return keys
}

// fill adds what was counted for the key.
func (u *KeyUse) fill(k *keyCounter, now time.Time) {
	if at := k.last.Load(); at != 0 {
		last := time.Unix(at, 0).UTC()
		u.LastHour, u.Last = k.lastHour(now), &last
	}
	for id, s := range *k.servers.Load() {
		u.Servers = append(u.Servers, ServerUse{ID: id, Name: s.name, Last: time.Unix(s.last.Load(), 0).UTC()})
	}
	slices.SortFunc(u.Servers, func(a, b ServerUse) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// fairShare returns the limit for the length of each list (max-min fair) with
// which they have at most total entries together.
func fairShare(lengths []int, total int) int {
	sorted := slices.Sorted(slices.Values(lengths))
	for i, n := range sorted {
		each := total / (len(sorted) - i)
		if n > each {
			return each
		}
		total -= n
	}
	return maxKeyServers
}
