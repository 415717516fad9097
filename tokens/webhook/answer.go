package webhook

import (
	"errors"
	"time"
	"unicode"
	"unicode/utf8"

	"usher/identity"
	"usher/internal/secret"
	"usher/internal/strictjson"
	"usher/tokens"
	"usher/tokens/backend"
)

// Codes of the rejections, as docs/reference/errors.md lists them.
const (
	CodeDenied  = "webhook_denied"
	CodeUnknown = "webhook_unknown"
	CodeExpired = "webhook_expired"
)

// Limits of an answer.
const (
	maxAnswer = 64 << 10           // bytes
	maxID     = 256                // bytes
	maxReason = 200                // bytes that are shown
	maxCache  = 366 * 24 * 60 * 60 // seconds
)

// What makes an answer malformed, besides its JSON. Nothing of the answer is quoted.
var (
	errNotOne  = errors.New("not exactly one of identity, denied and unknown")
	errID      = errors.New("identity.id: empty, too long or with control characters")
	errExpires = errors.New("identity.expires: not a time such as 2026-01-02T15:04:05Z (RFC 3339)")
	errCache   = errors.New("identity.cache: not a number of seconds")
)

type answer struct {
	Identity *answeredIdentity `json:"identity"`
	Denied   *denial           `json:"denied"`
	Unknown  bool              `json:"unknown"`
}

type answeredIdentity struct {
	ID         string         `json:"id"`
	Attributes map[string]any `json:"attributes"`
	Expires    *string        `json:"expires"`
	Cache      *int64         `json:"cache"`
}

type denial struct {
	Reason string `json:"reason"`
}

// parse returns what an answer says. Its errors mean that the answer is not in the format,
// and so decides nothing; they quote nothing of it.
func parse(text []byte, authority identity.Authority, now time.Time, hide secret.Filter) (backend.Answer, error) {
	var a answer
	if err := strictjson.DecodeKnown(text, &a); err != nil {
		return backend.Answer{}, err
	}
	said := 0
	for _, one := range []bool{a.Identity != nil, a.Denied != nil, a.Unknown} {
		if one {
			said++
		}
	}
	switch {
	case said != 1:
		return backend.Answer{}, errNotOne
	case a.Identity != nil:
		return a.Identity.answer(authority, now)
	case a.Denied != nil:
		cause := "the endpoint refuses the credential"
		if reason := hide.Text(a.Denied.Reason, maxReason); reason != "" {
			cause += ": " + reason
		}
		return refuse(CodeDenied, cause), nil
	default:
		return refuse(CodeUnknown, "the endpoint does not know the credential"), nil
	}
}

func refuse(code, cause string) backend.Answer {
	return backend.Answer{Refusal: &tokens.Reason{Code: code, Cause: cause}}
}

func (i *answeredIdentity) answer(authority identity.Authority, now time.Time) (backend.Answer, error) {
	if !validID(i.ID) {
		return backend.Answer{}, errID
	}
	out := backend.Answer{Identity: identity.Identity{
		ID:         i.ID,
		Attributes: identity.Attributes{"webhook": attributes(i.Attributes)},
		Authority:  authority,
		Method:     identity.MethodWebhook,
	}}
	if i.Expires != nil {
		end, err := time.Parse(time.RFC3339, *i.Expires)
		if err != nil || end.IsZero() {
			return backend.Answer{}, errExpires
		}
		out.Identity.NotAfter, out.Until = end, end
		if !now.Before(end) {
			return backend.Answer{Refusal: expired(out.Identity)}, nil
		}
	}
	if i.Cache != nil {
		if *i.Cache < 0 || *i.Cache > maxCache {
			return backend.Answer{}, errCache
		}
		if kept := now.Add(time.Duration(*i.Cache) * time.Second); out.Until.IsZero() || kept.Before(out.Until) {
			out.Until = kept
		}
	}
	return out, nil
}

// expired is the rejection of an identity whose end has passed.
func expired(id identity.Identity) *tokens.Reason {
	return &tokens.Reason{
		Code: CodeExpired, Cause: "the endpoint says that the credential ended at " + id.NotAfter.UTC().Format(time.RFC3339), Identity: id,
	}
}

// attributes returns an empty map for none, so that rules find "webhook" in each identity.
func attributes(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

func validID(id string) bool {
	if id == "" || len(id) > maxID || !utf8.ValidString(id) {
		return false
	}
	for _, r := range id {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}
